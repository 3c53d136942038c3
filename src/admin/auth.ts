/**
 * Who asks, and may they? A token is looked up by its id in this replica's own copy of the access document, so that it works while the
 * store is away. The bootstrap administrator's token is in no document.
 */
import { hash as hashOf, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Access, Definitions, Role, Token } from '../core/nouns.ts'
import { ownsGateway, ownsPool, ownsRoute, type Scope } from '../core/scope.ts'
import { hasExpired } from '../core/tokens.ts'
import { type Refusal, refuse } from '../errors.ts'
import type { Endpoint } from './contract/endpoint.ts'

/** Whoever a token stands for. */
export interface Principal {
  readonly name: string
  readonly role: Role
  /** Limited to these pools; absent: to none. */
  readonly pools?: Scope
  /** Beats for this gateway and no other. */
  readonly gateway?: string
  /** Of the token; absent for the bootstrap administrator's. */
  readonly id?: string
  /** When the token ends, ms since 1970; absent: never. */
  readonly expires_at?: number
}

/** Role of a principal → roles that an endpoint may ask for. */
const grants: Readonly<Record<Role, readonly Role[]>> = {
  viewer: ['viewer'],
  operator: ['viewer', 'operator'],
  admin: ['viewer', 'operator', 'admin', 'gateway'],
  gateway: ['gateway'],
}

export function may({ role }: Pick<Principal, 'role'>, needed: Role): boolean {
  return grants[role].includes(needed)
}

/** Null: it may ask for this, by its role, its gateway and its pools. What a change would reach is held to the scope by the ledger. */
export function forbids(
  principal: Principal,
  { role, scope }: Pick<Endpoint, 'role' | 'scope'>,
  { name = '' }: Readonly<Record<string, string>>,
  definitions: Definitions,
): Refusal | null {
  if (role === 'anyone') return null
  if (!may(principal, role)) return refuse('forbidden', `this needs the role ${role}`)
  if (principal.gateway !== undefined && principal.gateway !== name) {
    return refuse('forbidden', 'this token is for another gateway')
  }
  const { pools } = principal
  if (pools === undefined || owns(pools, scope, name, definitions)) return null
  const needed =
    scope === undefined ? 'this needs a token for all pools' : `it is not all of those pools: ${scope} ${name}`
  return refuse('forbidden', `this token is limited to pools, and ${needed}`)
}

/** Is what the path names the scope's? What is not there is nobody's: the handler says that it is not there. */
function owns(pools: Scope, scope: Endpoint['scope'], name: string, definitions: Definitions): boolean {
  switch (scope) {
    case 'within':
      return true
    case 'pool':
      return ownsPool(pools, name)
    case 'gateway':
      return ownsGateway(pools, definitions, name)
    case 'route': {
      const route = definitions.routes.find(one => one.name === name)
      return route === undefined || ownsRoute(pools, definitions, route)
    }
    case undefined:
      return false
  }
}

/** Null: no token, or not a valid one; which of both is nobody's business. */
export type Authenticate = (authorization: string | undefined) => Principal | null

export interface AuthOptions {
  readonly bootstrapToken: string
  access(): Access
  /** The clock by which tokens expire, ms. */
  now(): number
}

export function authenticator({ bootstrapToken, access, now }: AuthOptions): Authenticate {
  const bootstrap = digest(bootstrapToken)
  let indexed: Access | null = null
  let byId: ReadonlyMap<string, Known> = new Map()

  const find = (id: string): Known | undefined => {
    const current = access()
    if (current !== indexed) {
      indexed = current
      byId = new Map(current.tokens.map(token => [token.id, knownAs(token)]))
    }
    return byId.get(id)
  }

  return authorization => {
    const presented = bearer(authorization)
    if (presented === undefined) return null
    const hash = digest(presented)
    // Digests have one length, so that comparing them tells nothing, not even how long the token is.
    if (timingSafeEqual(hash, bootstrap)) return { name: 'bootstrap', role: 'admin' }
    const known = find(idOf(presented))
    if (known === undefined || !timingSafeEqual(hash, known.hash) || hasExpired(known.principal, now())) return null
    return known.principal
  }
}

/** A token as it is looked for at each request. */
interface Known {
  readonly hash: Buffer
  readonly principal: Principal
}

function knownAs(token: Token): Known {
  const { hash: _, created_at: __, ...principal } = token
  return { hash: expected(token), principal }
}

export function bearer(authorization: string | undefined): string | undefined {
  return /^Bearer +([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1]
}

/** `gp_<id>_<secret>`: what is known of a token by its look. 256 bits of secret cannot be guessed. */
const FORM = /^gp_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/

/** The id in a token; empty, which no token has, for anything else. */
export function idOf(token: string): string {
  return FORM.exec(token)?.[1] ?? ''
}

/** A new token, of which only the id and the hash are to be kept. */
export function makeToken(): { readonly token: string; readonly id: string; readonly hash: string } {
  const id = randomBytes(6).toString('hex')
  const token = `gp_${id}_${randomBytes(32).toString('base64url')}`
  return { token, id, hash: digest(token).toString('hex') }
}

/** A hash that was damaged in the store has no right length any more, and fits nothing. */
function expected({ hash }: Token): Buffer {
  const stored = Buffer.from(hash, 'hex')
  return stored.length === 32 ? stored : randomBytes(32)
}

function digest(token: string): Buffer {
  return hashOf('sha256', token, 'buffer')
}

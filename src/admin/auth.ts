/**
 * Who asks, and may they? One bearer token exists so far, the bootstrap administrator's.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Role } from '../core/nouns.ts'

/** Whoever a token stands for. */
export interface Principal {
  readonly name: string
  readonly role: Role
}

/** Role of a principal → roles that an endpoint may ask for. */
const grants: Readonly<Record<Role, readonly Role[]>> = {
  viewer: ['viewer'],
  operator: ['viewer', 'operator'],
  admin: ['viewer', 'operator', 'admin', 'gateway'],
  gateway: ['gateway'],
}

export function may({ role }: Principal, needed: Role): boolean {
  return grants[role].includes(needed)
}

/** Null: no token, or not a valid one; which of both is nobody's business. */
export type Authenticate = (authorization: string | undefined) => Principal | null

export function authenticator(bootstrapToken: string): Authenticate {
  const expected = digest(bootstrapToken)
  return authorization => {
    const [, presented] = /^Bearer +([\x21-\x7e]+)$/i.exec(authorization ?? '') ?? []
    // Digests have one length, so that comparing them tells nothing, not even how long the token is.
    if (presented === undefined || !timingSafeEqual(digest(presented), expected)) return null
    return { name: 'bootstrap', role: 'admin' }
  }
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

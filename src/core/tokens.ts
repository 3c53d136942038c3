/** How tokens come and go: pure changes of the access document. The secret of a token never gets in here, only its hash. */
import type { ErrorCode, Refusal } from '../errors.ts'
import type { Change } from './changes.ts'
import type { Access, Definitions, Token } from './nouns.ts'

/** Tokens at most, so that the document stays small enough to be written with each change of it. */
const MOST_TOKENS = 1_000

/** Those that act in audit records without a token of that name. */
const RESERVED = ['anyone', 'bootstrap', 'file', 'system']

export type TokenState = 'valid' | 'expired' | 'orphaned'

/** `orphaned`: the gateway that it beats for is no more. It opens nothing, until there is a gateway of that name again. */
export function tokenState({ gateway, expires_at }: Token, { gateways }: Definitions, now: number): TokenState {
  if (hasExpired({ expires_at }, now)) return 'expired'
  return gateway === undefined || gateways.some(({ name }) => name === gateway) ? 'valid' : 'orphaned'
}

export function hasExpired({ expires_at }: { readonly expires_at?: number | undefined }, now: number): boolean {
  return expires_at !== undefined && expires_at <= now
}

export function addToken(token: Token): Change {
  return ({ access, definitions }) => {
    const { name, gateway } = token
    const { tokens } = access.value
    if (tokens.some(one => one.name === name)) return refuse('duplicate_name', `there is a token ${name}`)
    if (RESERVED.includes(name)) return refuse('duplicate_name', `${name} is a name of gatepool's own`)
    if (gateway !== undefined && !definitions.value.gateways.some(one => one.name === gateway)) {
      return refuse('unknown_reference', `there is no gateway ${gateway}`)
    }
    if (tokens.length >= MOST_TOKENS) return refuse('limit_reached', `there are ${MOST_TOKENS} tokens: delete some`)
    return change({ ...access.value, tokens: [...tokens, token] }, name, null, shown(token))
  }
}

export function removeToken(name: string): Change {
  return ({ access }) => {
    const { tokens } = access.value
    const token = tokens.find(one => one.name === name)
    if (token === undefined) return refuse('not_found', `there is no token ${name}`)
    return change({ ...access.value, tokens: tokens.filter(one => one !== token) }, name, shown(token), null)
  }
}

function change(access: Access, name: string, before: unknown, after: unknown): ReturnType<Change> {
  return { documents: { access }, facts: [], audit: { subject: `token:${name}`, before, after } }
}

/** Without the hash: what is told of a token must not help to find it. */
function shown({ hash: _, ...rest }: Token): Omit<Token, 'hash'> {
  return rest
}

function refuse(code: ErrorCode, detail: string): Refusal {
  return { kind: 'refusal', code, detail }
}

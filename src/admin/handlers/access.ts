import type { Token, Uses } from '../../core/nouns.ts'
import { own } from '../../core/own.ts'
import { ownsToken } from '../../core/scope.ts'
import { addToken, removeToken, tokenState } from '../../core/tokens.ts'
import { isRefusal } from '../../errors.ts'
import { created } from '../answers.ts'
import { makeToken, type Principal } from '../auth.ts'
import type { accessEndpoints } from '../contract/access.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { given, nothing, part } from './lists.ts'

export function accessHandlers(options: HandlerOptions): HandlersOf<typeof accessEndpoints> {
  const { state, store, ledger, uses } = options
  const world = () => state.snapshot.world
  const definitions = () => world().definitions.value
  /** A token of somebody else's pools is not there for one that is limited to its own. */
  const seen = ({ pools }: Principal): Token[] =>
    world().access.value.tokens.filter(token => ownsToken(pools, definitions(), token))

  const row = (token: Token, used: Uses) => {
    const { name, id, role, pools, gateway, created_at, expires_at = null } = token
    const state = tokenState(token, definitions(), store.now())
    const last_used = own(used, id) ?? null
    const limits = { ...(pools && { pools: [...pools] }), ...given({ gateway }) }
    return { name, id, role, ...limits, state, created_at, expires_at, last_used }
  }

  return {
    async list_tokens({ query, by }) {
      const used = await uses.read()
      return part(seen(by), query, token => row(token, used))
    },
    async get_token({ params: { name }, by }) {
      const token = seen(by).find(one => one.name === name)
      return token === undefined ? nothing('token', name) : row(token, await uses.read())
    },
    async create_token({ body: { name, role, pools, gateway, expires }, by, asked }) {
      const { token, id, hash } = makeToken()
      const created_at = store.now()
      const { expires_at, warnings } = ending(by, expires === undefined ? undefined : created_at + expires)
      const made: Token = { name, id, hash, role, ...given({ pools, gateway, expires_at }), created_at }
      const outcome = await ledger.commit(addToken(made), by.name, asked)
      if (isRefusal(outcome)) return outcome
      const strangers = (made.pools ?? []).filter(pool => !definitions().pools.some(({ name }) => name === pool))
      const body = {
        ...row(made, {}),
        token,
        warnings: [...warnings, ...strangers.map(pool => `there is no pool ${pool} yet`)],
      }
      return created(body, `/api/v1/tokens/${made.name}`)
    },
    async delete_token({ params: { name }, by, asked }) {
      if (!seen(by).some(one => one.name === name)) return nothing('token', name)
      const outcome = await ledger.commit(removeToken(name), by.name, asked)
      return isRefusal(outcome) ? outcome : undefined
    },
  }
}

/** A token gives no more than its maker has, time neither. */
function ending({ expires_at: most }: Principal, wanted: number | undefined) {
  if (most === undefined || (wanted !== undefined && wanted <= most)) return { expires_at: wanted, warnings: [] }
  return { expires_at: most, warnings: ['it ends when the token that made it ends'] }
}

import { failBack, failOver } from '../../core/failover.ts'
import { own } from '../../core/own.ts'
import { poolOf } from '../../core/passive.ts'
import { isRefusal } from '../../errors.ts'
import type { failoverEndpoints } from '../contract/failover.ts'
import { poolRow, wishOf } from '../views.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { nothing } from './lists.ts'

export function failoverHandlers({ state, ledger }: HandlerOptions): HandlersOf<typeof failoverEndpoints> {
  return {
    async fail_over({ params: { name }, body: { to }, by, asked }) {
      const outcome = await ledger.commit(failOver(name, to, by.name), by.name, asked)
      if (isRefusal(outcome)) return outcome
      const { snapshot } = state
      const pool = poolOf(snapshot.world, name)
      if (pool === undefined) return nothing('pool', name)
      const view = own(snapshot.pools, name)
      const member = view?.members.find(({ gateway }) => gateway === to)
      const warnings = [
        ...(pool.enabled ? [] : [`${name} is switched off: nobody serves`]),
        ...(member === undefined || member.ready ? [] : [`${to} is not ready: ${member.state} (${member.cause})`]),
      ]
      return { ...poolRow(snapshot, pool), failover: wishOf(snapshot, name), warnings }
    },
    async fail_back({ params: { name }, by, asked }) {
      const outcome = await ledger.commit(failBack(name, by.name), by.name, asked)
      return isRefusal(outcome) ? outcome : undefined
    },
  }
}

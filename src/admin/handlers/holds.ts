import type { z } from 'zod'
import { cancelWindow, drain, planWindow, resume } from '../../core/holding.ts'
import { heldBy, holdsOf } from '../../core/holds.ts'
import { FROM_HEARTBEAT } from '../../core/instances.ts'
import { gatewayOf } from '../../core/member.ts'
import type { Schedule, Snapshot, Window } from '../../core/nouns.ts'
import { routesOf } from '../../core/told.ts'
import { holderOf, windowsOf } from '../../core/windows.ts'
import { isRefusal, refuse } from '../../errors.ts'
import { created } from '../answers.ts'
import { may } from '../auth.ts'
import type { holdEndpoints, newWindow, windowView } from '../contract/holds.ts'
import { untilOver } from '../idle.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { given, nothing, part } from './lists.ts'

export function holdHandlers(options: HandlerOptions): HandlersOf<typeof holdEndpoints> {
  const { state, ledger, clock, inFlight } = options
  const holds = () => state.snapshot.world.holds.value

  return {
    async drain({ params: { name }, body, by, asked }, reply) {
      const { reason, instance, note, until, wait = 0 } = body
      const wish = { reason, ...given({ instance, note, until: until === undefined ? undefined : momentOf(until) }) }
      const outcome = await ledger.commit(drain(name, wish, by.name), by.name, asked)
      if (isRefusal(outcome)) return outcome
      const left = () => inFlight(null, name, instance)
      const isHeld = () => holdsOf(holds(), name).some(one => one.holder === by.name && one.instance === instance)
      const gone = new AbortController()
      const leaves = () => gone.abort()
      reply.raw.once('close', leaves)
      // While we wait nothing moves on the connection, and that is no reason to close it.
      const { socket } = reply.request
      const idle = socket.timeout ?? 0
      socket.setTimeout(0)
      await untilOver(() => left() === 0 || !isHeld(), { ms: wait, clock, gone: gone.signal })
      socket.setTimeout(idle)
      reply.raw.off('close', leaves)
      return {
        gateway: name,
        holds: [...holdsOf(holds(), name)],
        in_flight: left(),
        warnings: warnings(state.snapshot, name, instance),
      }
    },
    async resume({ params: { name }, query: { all = 'false', reason, instance }, by, asked }) {
      if (all === 'true' && !may(by, 'admin'))
        return refuse('forbidden', 'only the role admin lifts what others hold: leave out all=true')
      const lift = { all: all === 'true', reason, instance }
      const outcome = await ledger.commit(resume(name, lift, by.name), by.name, asked)
      return isRefusal(outcome) ? outcome : undefined
    },
    list_windows({ params: { name }, query }) {
      if (gatewayOf(state.snapshot.world, name) === undefined) return nothing('gateway', name)
      return part(windowsOf(holds(), name), query, window => shown(state.snapshot, name, window))
    },
    async create_window({ params: { name }, body, by, asked }) {
      const { name: window, note } = body
      const schedule = scheduleOf(body)
      if (schedule.kind === 'once' && schedule.to <= schedule.from)
        return refuse('bad_request', 'body.to: a window has to end after it begins')
      const wanted = { name: window, schedule, ...given({ note }) }
      const outcome = await ledger.commit(planWindow(name, wanted, by.name), by.name, asked)
      if (isRefusal(outcome)) return outcome
      const made = windowsOf(holds(), name).find(one => one.name === window)
      if (made === undefined) return nothing(`window of ${name}`, window)
      return created(shown(state.snapshot, name, made), `/api/v1/gateways/${name}/windows/${window}`)
    },
    get_window({ params: { name, window } }) {
      if (gatewayOf(state.snapshot.world, name) === undefined) return nothing('gateway', name)
      const found = windowsOf(holds(), name).find(one => one.name === window)
      return found === undefined ? nothing(`window of ${name}`, window) : shown(state.snapshot, name, found)
    },
    async delete_window({ params: { name, window }, by, asked }) {
      const outcome = await ledger.commit(cancelWindow(name, window), by.name, asked)
      return isRefusal(outcome) ? outcome : undefined
    },
  }
}

const momentOf = (said: number | string): number => (typeof said === 'number' ? said : Date.parse(said))

function scheduleOf(body: z.output<typeof newWindow>): Schedule {
  if (!('days' in body)) return { kind: 'once', from: momentOf(body.from), to: momentOf(body.to) }
  const { days, from, to, time_zone } = body
  return { kind: 'weekly', days: [...new Set(days)], from, to, time_zone }
}

function shown({ world }: Snapshot, gateway: string, window: Window): z.output<typeof windowView> {
  const { name, schedule, next, by, since, note } = window
  const open = holdsOf(world.holds.value, gateway).some(({ holder }) => holder === holderOf(name))
  const { days, ...times } = { days: undefined, ...schedule }
  return { name, ...times, ...given({ days: days && [...days], note }), by, since, open, next }
}

/** What the hold does not do, or does too well: the pools in use that nobody can serve meanwhile. */
function warnings({ world, pools }: Snapshot, gateway: string, instance: string | undefined): string[] {
  const isHeld = heldBy(world.holds.value, world.sight.beats, gateway) !== null
  if (instance !== undefined && !isHeld && gatewayOf(world, gateway)?.address !== FROM_HEARTBEAT)
    return [`the instances of ${gateway} share its address: requests may still reach ${instance}`]
  return Object.values(pools)
    .filter(({ name, enabled, members }) => {
      const ofIt = members.some(member => member.gateway === gateway && member.state === 'held')
      return ofIt && enabled && !members.some(({ ready }) => ready) && routesOf(world, name).length > 0
    })
    .map(({ name }) => `nobody is ready to serve ${name} while ${gateway} is held`)
}

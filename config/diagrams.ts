/** The diagrams of the state machines, drawn by running every cell of their tables, so that they cannot say anything else. Mermaid. */
import { type PassiveEvent, type PassiveRules, passiveStep } from '../src/core/ejection.ts'
import { type machine, move, type Signal } from '../src/core/machine.ts'
import type { GatewayRecord, PassiveRecord } from '../src/core/nouns.ts'

interface Edge {
  readonly from: string
  readonly to: string
  readonly on: string
}

/** The machine of `src/core/machine.ts`. */
export function gatewayDiagram(): string {
  const records: Readonly<Record<keyof typeof machine, GatewayRecord>> = {
    unknown: { state: 'unknown' },
    up: { state: 'up', since: 0 },
    down: { state: 'down', since: 0 },
    returning: { state: 'returning', went_down_at: 0, returned_at: 0, back: -1 },
  }
  const signals: readonly (readonly [string, Signal])[] = [
    ['a beat', { kind: 'beat', at: 1 }],
    ['silence', { kind: 'silence', at: 1 }],
    ['the longest cooldown is over', { kind: 'cooled', at: 1, length: 1, pools: [], last: true }],
    ['a beat after an announced shutdown', { kind: 'released', at: 1, since: 0 }],
  ]
  const edges = Object.values(records).flatMap(record =>
    signals.flatMap(([on, signal]): Edge[] => {
      const { record: next, facts } = move(record, signal, 'g')
      if (next.state === record.state) return []
      const told = facts.map(({ kind }) => ` (${kind})`).join('')
      return [{ from: record.state, to: next.state, on: on + told }]
    }),
  )
  return mermaid('unknown', edges)
}

/** Under each of these the ejection machine is run. */
const CASES = [true, false].flatMap(failover => [true, false].map(another => ({ failover, another })))

/** The machine of `src/core/ejection.ts`. */
export function ejectionDiagram(): string {
  const history = { times: 0, forget_at: 0 }
  const fails = (count: number) => ({ '': { count, first_at: 0 } })
  const records: readonly (PassiveRecord | undefined)[] = [
    undefined,
    { kind: 'counting', fails: fails(1), history },
    { kind: 'ejected', since: 0, until: 10, reason: 'probe', history },
    { kind: 'cooling', since: 0, returned_at: 0, next_trial: 0, reason: 'trial', history },
    { kind: 'probation', until: 10, fails: {}, history },
  ]
  const failure = { kind: 'failure', reason: 'reset', route: '', at: 1 } as const
  const events: readonly (readonly [string, PassiveEvent])[] = [
    ['a failure', { ...failure, share: 0 }],
    ['max_fails or max_fail_ratio', { ...failure, share: 1 }],
    ['a good answer', { kind: 'success', route: '', at: 1 }],
    ['a trial passed', { kind: 'trial', ok: true, at: 1 }],
    ['a trial failed', { kind: 'trial', ok: false, at: 1 }],
    ['active checks pass', { kind: 'verdict', verdict: true, passing: true, at: 1 }],
    ['active checks fail', { kind: 'verdict', verdict: false, passing: false, at: 1 }],
    ['its time is over', { kind: 'tick', at: 1_000 }],
  ]
  const edges = records.flatMap(record =>
    events.flatMap(([on, event]): Edge[] => {
      const from = record?.kind ?? 'clean'
      const ends = CASES.map(one => ({
        ...one,
        to: passiveStep(record, event, rules(one.failover), () => one.another),
      }))
      const byEnd = Map.groupBy(ends, ({ to }) => to.record?.kind ?? 'clean')
      return [...byEnd].flatMap(([to, some]) => (to === from ? [] : [{ from, to, on: on + condition(some) }]))
    }),
  )
  return mermaid('clean', edges)
}

function rules(failover: boolean): PassiveRules {
  const times = { fail_duration: 100, ejection: 10, max_ejection: 100 }
  return { ...times, max_fails: 3, max_fail_ratio: 0.5, cooldown: failover ? 100 : null, checked: true }
}

/** What has to be so that one event leads where it leads in these cases and in no other. */
function condition(some: readonly { readonly failover: boolean; readonly another: boolean }[]): string {
  const same = (key: 'failover' | 'another') => new Set(some.map(one => one[key])).size === 1
  const said = [
    ...(same('failover') ? [some[0]?.failover ? 'failover' : 'load_balancing'] : []),
    ...(same('another') ? [some[0]?.another ? 'another can serve' : 'it is the last'] : []),
  ]
  return said.length === 0 ? '' : ` [${said.join(', ')}]`
}

function mermaid(start: string, edges: readonly Edge[]): string {
  const places = Map.groupBy(edges, ({ from, to }) => `${from} --> ${to}`)
  const lines = [...places].map(([place, all]) => `    ${place} : ${[...new Set(all.map(({ on }) => on))].join(' / ')}`)
  return ['```mermaid', 'stateDiagram-v2', `    [*] --> ${start}`, ...lines, '```'].join('\n')
}

const DIAGRAMS: Readonly<Record<string, () => string>> = { gateway: gatewayDiagram, ejection: ejectionDiagram }

/** `page` with each diagram drawn anew between its marks. */
export function withDiagrams(page: string): string {
  return page.replace(
    /(<!-- diagram: (\w+) -->\n).*?(<!-- end -->)/gs,
    (all, begin: string, name: string, end: string) => {
      const draw = DIAGRAMS[name]
      return draw === undefined ? all : `${begin}${draw()}\n${end}`
    },
  )
}

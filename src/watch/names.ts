/**
 * Resolves the host names among the gateways' addresses off the request path. The last good answer is kept: a name server that is away
 * moves no traffic.
 */
import { lookup } from 'node:dns/promises'
import type { Clock } from '../clock.ts'
import { FROM_HEARTBEAT } from '../core/instances.ts'
import { isLiteral } from '../core/member.ts'
import type { Definitions } from '../core/nouns.ts'
import type { State } from '../state.ts'

/** Ms between two look-ups of a name. */
const EVERY = 30_000

export interface NamesOptions {
  readonly state: State
  readonly clock: Clock
  /** Told of a look-up that failed, with the name and the resolver's code. */
  readonly onFailure: (host: string, code: string) => void
}

/** Watches until it is disposed: at once for a new name, then every 30 s. */
export function watchNames({ state, clock, onFailure }: NamesOptions): Disposable {
  const asking = new Set<string>()
  let definitions = state.snapshot.world.definitions.value
  let known = hostsIn(definitions)
  let ended = false

  const ask = async (host: string) => {
    if (asking.has(host)) return
    asking.add(host)
    try {
      const answers = await lookup(host, { all: true })
      // Sorted, so that a name server that rotates its answers changes nothing.
      const addresses = [...new Set(answers.map(({ address }) => address))].sort()
      if (!ended && addresses.length > 0) state.apply({ kind: 'resolved', host, addresses, at: clock.now() })
    } catch (error) {
      if (!ended) onFailure(host, (error as NodeJS.ErrnoException).code ?? 'unknown')
    } finally {
      asking.delete(host)
    }
  }

  const askAll = () => {
    for (const host of known) void ask(host)
  }

  const unsubscribe = state.onChange(() => {
    const { value } = state.snapshot.world.definitions
    if (value === definitions) return
    const before = known
    definitions = value
    known = hostsIn(definitions)
    for (const host of known) if (!before.has(host)) void ask(host)
  })
  const timer = clock.every(EVERY, askAll)
  askAll()

  return {
    [Symbol.dispose]() {
      ended = true
      unsubscribe()
      timer[Symbol.dispose]()
    },
  }
}

function hostsIn({ gateways }: Definitions): ReadonlySet<string> {
  const named = gateways.map(({ address }) => address)
  return new Set(named.filter(address => !isLiteral(address) && address !== FROM_HEARTBEAT))
}

/**
 * The TLS routes of one listener: exact server name, then wildcard (the longer first), then any name or none; within a name those that ask
 * for a protocol before those that do not. Built when definitions change, asked once per connection.
 */
import type { Definitions, Route } from './nouns.ts'

export interface TlsRouteTable<Entry> {
  readonly exact: ReadonlyMap<string, readonly Candidate<Entry>[]>
  /** Keyed by what follows the star's dot. */
  readonly wildcards: ReadonlyMap<string, readonly Candidate<Entry>[]>
  readonly any: readonly Candidate<Entry>[]
}

interface Candidate<Entry> {
  /** null: whatever the client speaks. */
  readonly alpn: readonly string[] | null
  readonly entry: Entry
}

/** The table of `listener`, from the enabled TLS routes that name it. `compile` is asked once for each. */
export function buildTlsRoutes<Entry>(
  definitions: Definitions,
  listener: string,
  compile: (route: Route) => Entry,
): TlsRouteTable<Entry> {
  const exact = new Map<string, Candidate<Entry>[]>()
  const wildcards = new Map<string, Candidate<Entry>[]>()
  const any: Candidate<Entry>[] = []
  for (const route of definitions.routes) {
    if (!route.enabled || route.protocol !== 'tls' || route.listener !== listener) continue
    const { sni, alpn = null } = route.match
    const candidate = { alpn, entry: compile(route) }
    if (sni === undefined) any.push(candidate)
    else if (sni.startsWith('*.')) add(wildcards, sni.slice(2), candidate)
    else add(exact, sni, candidate)
  }
  return { exact, wildcards, any }
}

/** The route for a server name (lower case; null: none was named) and the protocols that the client offers, best first. */
export function matchTls<Entry>(
  { exact, wildcards, any }: TlsRouteTable<Entry>,
  sni: string | null,
  alpn: readonly string[],
): Entry | undefined {
  if (sni !== null) {
    const found = choose(exact.get(sni), alpn)
    if (found !== undefined) return found
    for (let dot = sni.indexOf('.'); dot >= 0; dot = sni.indexOf('.', dot + 1)) {
      const under = choose(wildcards.get(sni.slice(dot + 1)), alpn)
      if (under !== undefined) return under
    }
  }
  return choose(any, alpn)
}

function choose<Entry>(
  candidates: readonly Candidate<Entry>[] | undefined,
  offered: readonly string[],
): Entry | undefined {
  if (candidates === undefined) return undefined
  for (const protocol of offered) {
    const speaks = candidates.find(({ alpn }) => alpn?.includes(protocol))
    if (speaks !== undefined) return speaks.entry
  }
  return candidates.find(({ alpn }) => alpn === null)?.entry
}

function add<Entry>(map: Map<string, Entry[]>, key: string, entry: Entry): void {
  const entries = map.get(key)
  if (entries) entries.push(entry)
  else map.set(key, [entry])
}

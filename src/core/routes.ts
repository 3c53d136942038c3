/**
 * The route table of one listener: exact host, then wildcard suffix (the longer first), then any host; within a host the longest path
 * prefix. Built when definitions change, asked once per request.
 */
import type { Definitions, Route } from './nouns.ts'
import { targetKey } from './plan.ts'

/** Where what came in goes. */
export interface Destination {
  readonly route: Route
  /** The plan it asks for; see `targetKey`. */
  readonly target: string
}

export interface RouteEntry<Rules = unknown> extends Destination {
  /** Path prefix without a final slash: '' matches everything. */
  readonly prefix: string
  /** What the listener made of the route beforehand. */
  readonly rules: Rules
}

export interface RouteTable<Rules> {
  readonly hosts: ReadonlyMap<string, readonly RouteEntry<Rules>[]>
  /** Keyed by what follows the star's dot. */
  readonly wildcards: ReadonlyMap<string, readonly RouteEntry<Rules>[]>
  readonly any: readonly RouteEntry<Rules>[]
}

/**
 * The table of listener `listener`, from the enabled HTTP routes that name it or no listener at all. `compile` is asked once for each:
 * what can be prepared is not done for every request.
 */
export function buildRoutes<Rules>(
  definitions: Definitions,
  listener: string,
  compile: (route: Route) => Rules,
): RouteTable<Rules> {
  const hosts = new Map<string, RouteEntry<Rules>[]>()
  const wildcards = new Map<string, RouteEntry<Rules>[]>()
  const any: RouteEntry<Rules>[] = []
  for (const route of definitions.routes) {
    if (!route.enabled || route.protocol !== 'http' || (route.listener !== undefined && route.listener !== listener))
      continue
    const { host, path } = route.match
    const prefix = path.endsWith('/') ? path.slice(0, -1) : path
    const entry = { route, target: targetKey(route), prefix, rules: compile(route) }
    if (host === undefined) any.push(entry)
    else if (host.startsWith('*.')) add(wildcards, host.slice(2), entry)
    else add(hosts, host, entry)
  }
  for (const entries of [...hosts.values(), ...wildcards.values(), any])
    entries.sort((a, b) => b.prefix.length - a.prefix.length)
  return { hosts, wildcards, any }
}

/** The route for a host (lower case, no port, no final dot) and a normalised path, or undefined. */
export function matchRoute<Rules>(table: RouteTable<Rules>, host: string, path: string): RouteEntry<Rules> | undefined {
  const exact = table.hosts.get(host)
  if (exact !== undefined) {
    const entry = longest(exact, path)
    if (entry !== undefined) return entry
  }
  if (table.wildcards.size > 0) {
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const entries = table.wildcards.get(host.slice(dot + 1))
      if (entries === undefined) continue
      const entry = longest(entries, path)
      if (entry !== undefined) return entry
    }
  }
  return longest(table.any, path)
}

function longest<Rules>(entries: readonly RouteEntry<Rules>[], path: string): RouteEntry<Rules> | undefined {
  for (const entry of entries) {
    const { prefix } = entry
    // `/app` matches `/app` and `/app/…`, not `/apple`; a query ends a path too.
    if (prefix === '') return entry
    if (path.startsWith(prefix)) {
      const next = path.charCodeAt(prefix.length)
      if (path.length === prefix.length || next === 47 || next === 63) return entry
    }
  }
  return undefined
}

function add<Entry>(map: Map<string, Entry[]>, key: string, entry: Entry): void {
  const entries = map.get(key)
  if (entries) entries.push(entry)
  else map.set(key, [entry])
}

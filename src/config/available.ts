/**
 * What the schema knows and this version does not run yet. Accepting it and doing nothing would be a lie, so it is refused at its
 * place. Running something new means taking its row out.
 */
import type { Finding, Path } from './findings.ts'

interface Row {
  /** Keys from the top of the file; `*` is every entry of a list. */
  readonly at: string
  /** The values that it does run; absent: none, whatever is said. */
  readonly runs?: (value: unknown) => boolean
  /** Its default, where not even that is run. */
  readonly default?: unknown
  readonly what: string
}

const only =
  (...values: unknown[]) =>
  (value: unknown): boolean =>
    values.includes(value)
const but =
  (...values: unknown[]) =>
  (value: unknown): boolean =>
    !values.includes(value)
const none = (value: unknown): boolean => Array.isArray(value) && value.length === 0
const off = only(0, '0', '0s', '0ms')
const inside =
  (defaults: Readonly<Record<string, unknown>>) =>
  (value: unknown): boolean =>
    typeof value === 'object' && value !== null && Object.entries(value).every(([key, said]) => defaults[key] === said)

const rows: readonly Row[] = [
  { at: 'store.kind', runs: but('redis'), what: 'a store in Redis' },
  { at: 'admin.tls', what: 'TLS on the admin listener' },
  { at: 'metrics', what: 'a listener for metrics' },
  { at: 'heartbeats', what: 'a listener for heartbeats' },
  { at: 'listeners.*.protocol', runs: but('https', 'tls'), what: 'a listener for TLS' },
  { at: 'listeners.*.certificates', runs: none, what: 'a listener for TLS' },
  { at: 'listeners.*.default_route', what: 'a listener for TLS' },
  { at: 'listeners.*.accept_proxy', runs: only(false), what: 'the PROXY protocol' },
  { at: 'pools.*.lb_policy', runs: but('two_choices', 'latency'), what: 'the policies two_choices and latency' },
  { at: 'pools.*.passive.unhealthy_latency', runs: off, what: 'ejection of slow members' },
  { at: 'pools.*.passive.max_fail_ratio', default: 0.5, what: 'ejection by a ratio of failures' },
  {
    at: 'pools.*.on_all_down.action',
    runs: but('fail_open', 'hold', 'fallback'),
    what: 'any other action than fail_closed',
  },
  { at: 'pools.*.hold_out', runs: only(false), what: 'holding a returning member out of load balancing' },
  { at: 'pools.*.slow_start', default: '10s', what: 'slow start' },
  { at: 'pools.*.max_connections', runs: off, what: 'a limit of connections' },
  {
    at: 'pools.*.sessions',
    runs: inside({ on_down: 'keep', on_drain: 'finish', on_failback: 'keep' }),
    what: 'closing long connections',
  },
  { at: 'pools.*.send_proxy', runs: only('off'), what: 'the PROXY protocol' },
  { at: 'routes.*.protocol', runs: but('tcp', 'udp', 'tls'), what: 'routes of other protocols than http' },
  { at: 'routes.*.listen', what: 'a route with a listener of its own' },
  { at: 'routes.*.match.sni', what: 'routing by server name' },
  { at: 'routes.*.match.alpn', what: 'routing by ALPN' },
  { at: 'routes.*.gateway_port', what: 'a route to a port of the gateway' },
  { at: 'routes.*.idle_timeout', what: 'a route with an idle timeout' },
  { at: 'routes.*.responses', what: 'UDP sessions' },
  { at: 'routes.*.per_packet', runs: only(false), what: 'UDP sessions' },
  { at: 'routes.*.max_sessions', runs: only(16_384), what: 'UDP sessions' },
  { at: 'routes.*.max_sessions_per_address', runs: only(1024), what: 'UDP sessions' },
  { at: 'routes.*.accept_proxy', runs: only(false), what: 'the PROXY protocol' },
  { at: 'routes.*.trusted_proxies', runs: none, what: 'the PROXY protocol' },
  { at: 'routes.*.send_proxy', runs: only('off'), what: 'the PROXY protocol' },
]

/**
 * What `input` asks for, as it was written, that this version does not run. `input` has the shape of the file, or of a part of it.
 * A client of the API reads an object with all its defaults and sends it back: with `repeated` a default says nothing.
 */
export function notAvailable(input: unknown, { repeated = false }: { repeated?: boolean } = {}): Finding[] {
  return rows.flatMap(row =>
    said(input, row.at.split('.'), [])
      .filter(({ value }) => !row.runs?.(value) && !(repeated && row.default !== undefined && value === row.default))
      .map(
        ({ path }): Finding => ({ path, code: 'not_available', message: `not available in this version: ${row.what}` }),
      ),
  )
}

interface Said {
  readonly path: Path
  readonly value: unknown
}

function said(value: unknown, keys: readonly string[], path: Path): Said[] {
  const [key, ...below] = keys
  if (key === undefined) return value === undefined || value === null ? [] : [{ path, value }]
  if (key === '*')
    return Array.isArray(value) ? value.flatMap((entry, index) => said(entry, below, [...path, index])) : []
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return []
  return said((value as Record<string, unknown>)[key], below, [...path, key])
}

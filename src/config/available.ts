/**
 * What the schema knows and this version does not run yet. Accepting it and doing nothing would be a lie, so it is refused at its
 * place. Running something new means taking its row out.
 */
import type { Finding, Path } from './findings.ts'

interface Row {
  /** Keys from the top of the file; `*` is every entry of a list. */
  readonly at: string
  /** The values that it does run; absent: none, whatever is said. */
  readonly runs?: (value: unknown, entry: Readonly<Record<string, unknown>>) => boolean
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

const rows: readonly Row[] = [
  { at: 'admin.tls', what: 'TLS on the admin listener' },
  { at: 'metrics', what: 'a listener for metrics' },
  { at: 'heartbeats', what: 'a listener for heartbeats' },
  { at: 'listeners.*.protocol', runs: but('https'), what: 'a listener for HTTPS' },
  { at: 'listeners.*.certificates', runs: none, what: 'a listener for HTTPS' },
  {
    at: 'listeners.*.accept_proxy',
    runs: (said, { protocol }) => said === false || protocol === 'tls',
    what: 'the PROXY protocol in front of HTTP',
  },
  {
    at: 'pools.*.on_all_down.action',
    runs: but('fail_open', 'hold', 'fallback'),
    what: 'any other action than fail_closed',
  },
  { at: 'pools.*.hold_out', runs: only(false), what: 'holding a returning member out of load balancing' },
  { at: 'pools.*.slow_start', default: '10s', what: 'slow start' },
  { at: 'pools.*.max_connections', runs: off, what: 'a limit of connections' },
]

/**
 * What `input` asks for, as it was written, that this version does not run. `input` has the shape of the file, or of a part of it.
 * A client of the API reads an object with all its defaults and sends it back: with `repeated` a default says nothing.
 */
export function notAvailable(input: unknown, { repeated = false }: { repeated?: boolean } = {}): Finding[] {
  return rows.flatMap(row =>
    said(input, row.at.split('.'), [], {})
      .filter(
        ({ value, entry }) =>
          !row.runs?.(value, entry) && !(repeated && row.default !== undefined && value === row.default),
      )
      .map(
        ({ path }): Finding => ({ path, code: 'not_available', message: `not available in this version: ${row.what}` }),
      ),
  )
}

interface Said {
  readonly path: Path
  readonly value: unknown
  /** What it is said of. */
  readonly entry: Readonly<Record<string, unknown>>
}

function said(value: unknown, keys: readonly string[], path: Path, entry: Said['entry']): Said[] {
  const [key, ...below] = keys
  if (key === undefined) return value === undefined || value === null ? [] : [{ path, value, entry }]
  if (key === '*')
    return Array.isArray(value) ? value.flatMap((one, index) => said(one, below, [...path, index], {})) : []
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return []
  const within = value as Record<string, unknown>
  return said(within[key], below, [...path, key], within)
}

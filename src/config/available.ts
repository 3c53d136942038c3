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
  readonly what: string
}

const but =
  (...values: unknown[]) =>
  (value: unknown): boolean =>
    !values.includes(value)
const none = (value: unknown): boolean => Array.isArray(value) && value.length === 0

const rows: readonly Row[] = [
  { at: 'admin.tls', what: 'TLS on the admin listener' },
  { at: 'heartbeats.tls', what: 'TLS on the listener for heartbeats' },
  { at: 'listeners.*.protocol', runs: but('https'), what: 'a listener for HTTPS' },
  { at: 'listeners.*.certificates', runs: none, what: 'a listener for HTTPS' },
]

/** What `input` asks for, as it was written, that this version does not run. It has the shape of the file, or of a part of it. */
export function notAvailable(input: unknown): Finding[] {
  return rows.flatMap(row =>
    said(input, row.at.split('.'), [])
      .filter(({ value }) => !row.runs?.(value))
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
  if (key === '*') return Array.isArray(value) ? value.flatMap((one, index) => said(one, below, [...path, index])) : []
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return []
  const within = value as Record<string, unknown>
  return said(within[key], below, [...path, key])
}

/**
 * How times are told to people: in the sentences of the API and in the tables of the command line. Programs get ms.
 */

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** `ms` in the two largest units that matter: `45 s`, `12 min 30 s`, `3 d 2 h`. Under a second: `0 s`. */
export function span(ms: number): string {
  const whole = Math.max(0, Math.round(ms / 1_000) * 1_000)
  const first = UNITS.findIndex(([, size]) => whole >= size)
  const [unit, size] = UNITS[first] ?? ['s', 1_000]
  const next = UNITS[first + 1]
  const head = `${Math.floor(whole / size)} ${unit}`
  const rest = next === undefined ? 0 : Math.floor((whole % size) / next[1])
  return next === undefined || rest === 0 ? head : `${head} ${rest} ${next[0]}`
}

/** `3 s ago`, or `in 3 s` for a moment that is still to come. */
export function relative(at: number, now: number): string {
  return at > now ? `in ${span(at - now)}` : `${span(now - at)} ago`
}

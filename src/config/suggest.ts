/** "Did you mean": the candidate that a slip of the keyboard would turn into what was written. */

/** Longer words are not slips of the keyboard, and comparing them would take long. */
const LONGEST = 40

/**
 * How many letters to insert, drop, replace or swap with their neighbour to get from `a` to `b` (optimal string alignment, the
 * form of the Damerau-Levenshtein distance in which no piece is edited twice).
 */
export function distance(a: string, b: string): number {
  let before: number[] = []
  let previous: number[] = []
  let current = Array.from({ length: b.length + 1 }, (_, column) => column)
  const at = (row: number[], column: number): number => row[column] ?? 0
  for (let i = 1; i <= a.length; i++) {
    ;[before, previous, current] = [previous, current, [i]]
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(previous, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let least = Math.min(replaced, at(previous, j) + 1, at(current, j - 1) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, at(before, j - 2) + 1)
      current.push(least)
    }
  }
  return at(current, b.length)
}

/** The nearest of `candidates` to `written`, if it is near enough to be meant: one slip for every three letters. */
export function nearest(written: string, candidates: Iterable<string>): string | undefined {
  if (written.length > LONGEST) return undefined
  const word = written.toLowerCase()
  let best: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= least) continue
    const steps = distance(word, candidate)
    if (steps < least) {
      least = steps
      best = candidate
    }
  }
  return best
}

/** ` (did you mean "x"?)`, or nothing. */
export function didYouMean(written: string, candidates: Iterable<string>): string {
  const meant = nearest(written, candidates)
  return meant === undefined ? '' : ` (did you mean ${quote(meant)}?)`
}

/** `didYouMean` for the first `limit` words and silence after that: a file full of wrong names must not take minutes to refuse. */
export function limitedHints(limit: number): typeof didYouMean {
  let left = limit
  return (written, candidates) => (left-- > 0 ? didYouMean(written, candidates) : '')
}

/** Text of somebody else inside a message: in quotes, on one line, without control characters, and not longer than it helps. */
export function quote(text: string): string {
  return JSON.stringify(text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text)
}

/** What is made of several rounds of the same measurement. */

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Median and extremes; null of nothing. With an even count the median is the mean of the middle two. */
export function spread(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b)
  const [min, max] = [sorted[0], sorted.at(-1)]
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  if (min === undefined || max === undefined || low === undefined || high === undefined) return null
  return { median: (low + high) / 2, min, max }
}

/**
 * `values` relative to `base`, round by round, so that whatever slows the machine down in one round slows both of them. Keys are rounds; one
 * that either side lacks is left out.
 */
export function ratios(values: ReadonlyMap<number, number>, base: ReadonlyMap<number, number>): number[] {
  const found: number[] = []
  for (const [round, value] of values) {
    const below = base.get(round)
    if (below !== undefined && below > 0) found.push(value / below)
  }
  return found
}

/** The value below which `share` (0 to 1) of `sorted` lies; 0 of nothing. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  const last = sorted.length - 1
  return sorted[Math.min(last, Math.floor(sorted.length * share))] ?? 0
}

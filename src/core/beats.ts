/**
 * Which beats a replica knows. A fleet's beats come one at a time, and each makes a new snapshot: in one map each of them would copy the
 * entries of a thousand gateways. So there are two, and a beat copies the small one; once that has grown to the square root of the other
 * it is taken into it, which costs each beat as much again.
 */
import type { Beat, Beats, HeardBeats } from './nouns.ts'

const NONE: Beats = new Map()
const NOBODY: Readonly<Record<string, Beat>> = {}

export const NO_BEATS: HeardBeats = { older: NONE, newer: NONE }

/** As they were read from a store. */
export function heardBefore(beats: Beats): HeardBeats {
  return { older: beats, newer: NONE }
}

/** instance → its newest beat. */
export function beatsFrom({ older, newer }: HeardBeats, gateway: string): Readonly<Record<string, Beat>> {
  return newer.get(gateway) ?? older.get(gateway) ?? NOBODY
}

/** `beats` take the place of what was known of their gateways. */
export function withBeats({ older, newer }: HeardBeats, beats: Beats): HeardBeats {
  const next = merged(newer, beats)
  return next.size ** 2 < older.size ? { older, newer: next } : heardBefore(merged(older, next))
}

/** In one map. */
export function allBeats({ older, newer }: HeardBeats): Beats {
  return newer.size === 0 ? older : merged(older, newer)
}

/** Without the gateways that are not to stay. */
export function onlyBeats(heard: HeardBeats, stays: (gateway: string) => boolean): HeardBeats {
  return heardBefore(new Map([...allBeats(heard)].filter(([gateway]) => stays(gateway))))
}

function merged(before: Beats, after: Beats): Beats {
  const all = new Map(before)
  for (const [gateway, beats] of after) all.set(gateway, beats)
  return all
}

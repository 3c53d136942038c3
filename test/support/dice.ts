import { chance } from './seed.ts'

/** Random choices that are the same for the same seed. */
export interface Dice {
  /** From 0 up to 1. */
  random(): number
  /** A whole number from 0 up to `below`. */
  int(below: number): number
  /** True with probability `p`. */
  maybe(p: number): boolean
  oneOf<T>(list: readonly T[]): T | undefined
}

export function createDice(seed: number): Dice {
  const random = chance(seed)
  const int = (below: number) => Math.floor(random() * below)
  return { random, int, maybe: p => random() < p, oneOf: list => list[int(list.length)] }
}

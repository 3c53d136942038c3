/**
 * What a selection policy is: built when the set of candidates changes, asked once per pick. Policies know nothing of HTTP, TCP or UDP.
 */

/** The numbers of one candidate that change with every request. They outlive the policies that are built over them. */
export interface Load {
  /** Requests or connections under way. */
  inFlight: number
  /** Where smooth round robin stands with it. */
  turn: number
  /** Ms that its answers take, and when that was measured last (ms; -Infinity: never). Kept only where the policy asks for it. */
  answerTime: number
  answeredAt: number
}

export function freshLoad(): Load {
  return { inFlight: 0, turn: 0, answerTime: 0, answeredAt: Number.NEGATIVE_INFINITY }
}

export interface Candidate {
  readonly name: string
  /** Share of the traffic relative to the others; 0 takes none while another is left. */
  readonly weight: number
  readonly load: Load
}

export interface Policy<C extends Candidate> {
  /** One candidate that is not in `tried`, or undefined when there is none. `key` is the hash of the client's address. */
  pick(key: number, tried: readonly C[]): C | undefined
}

/** `now` in ms. */
export type Build = <C extends Candidate>(
  candidates: readonly C[],
  random: () => number,
  now: () => number,
) => Policy<C>

/**
 * What comes next after an attempt at an upstream ended: one total function over (outcome × what is still possible), tested as a table.
 * RFC 9110 §9.2.2: what is not idempotent is never sent twice once a byte of it left.
 */

export type AttemptEnd =
  /** Nothing was sent: refused, or no connection in time. */
  | 'connect_refused'
  | 'connect_timeout'
  /** Nothing was sent, and that is our own doing: no file descriptor, port or memory is left for another connection. */
  | 'not_dialled'
  /** Ended by the upstream before a whole response head. */
  | 'closed'
  | 'reset'
  | 'response_timeout'
  | 'malformed'
  /** Ended within the body of the response. */
  | 'body_cut'
  | 'client_left'

export interface Circumstances {
  /** The connection had served before: the upstream may simply have closed it while it was idle. */
  readonly reused: boolean
  /** A byte of the request was written to the upstream. */
  readonly sent: boolean
  /** RFC 9110 §9.2.2: GET HEAD OPTIONS PUT DELETE. */
  readonly idempotent: boolean
  /** All of the request's body so far is still held and can be sent again. */
  readonly held: boolean
  /** A byte of a response went to the client. */
  readonly answered: boolean
  /** This request already took its one free fresh connection to the same upstream. */
  readonly refreshed: boolean
  /** Upstreams that may still be tried (`retry.tries`). */
  readonly triesLeft: number
  /** `retry.within` is not over. */
  readonly inTime: boolean
  /** Retries of this request so far. */
  readonly retries: number
}

export type Next =
  /** Send it again: to the `same` upstream on a fresh connection, or to an`other` one; `free` takes nothing from the budget. */
  | { readonly kind: 'again'; readonly where: 'same' | 'other'; readonly free: boolean; readonly blame: boolean }
  /** It cannot be sent again: answer with `status`, or `cut` the connection when the answer has begun. */
  | { readonly kind: 'give_up'; readonly status: 502 | 503 | 504 | 499 | 'cut'; readonly blame: boolean }
  /** It could be sent again, but its tries or its time are used up: all down when nobody is left, else `status`. */
  | { readonly kind: 'exhausted'; readonly status: 502 | 503 | 504; readonly blame: boolean }

const LEFT: Next = { kind: 'give_up', status: 499, blame: false }
const CUT: Next = { kind: 'give_up', status: 'cut', blame: true }
const BAD: Next = { kind: 'give_up', status: 502, blame: true }
const LOST: Next = { kind: 'give_up', status: 502, blame: false }
const LATE: Next = { kind: 'give_up', status: 504, blame: true }
const OURS: Next = { kind: 'give_up', status: 503, blame: false }
const EXHAUSTED_BAD: Next = { kind: 'exhausted', status: 502, blame: true }
const EXHAUSTED_LATE: Next = { kind: 'exhausted', status: 504, blame: true }
const REFRESH: Next = { kind: 'again', where: 'same', free: true, blame: false }
const OTHER_FREE: Next = { kind: 'again', where: 'other', free: true, blame: true }
const OTHER_UNBLAMED: Next = { kind: 'again', where: 'other', free: true, blame: false }
const OTHER: Next = { kind: 'again', where: 'other', free: false, blame: true }

/** The next step after `end`. Whether the budget has a token for a retry that is not free is the caller's to ask. */
export function after(end: AttemptEnd, now: Circumstances): Next {
  if (end === 'client_left') return LEFT
  if (now.answered) return CUT
  switch (end) {
    case 'body_cut':
      return CUT
    case 'connect_refused':
      // Nothing was sent, so any method may go elsewhere, and it costs nothing.
      return now.held ? elsewhere(now, true, EXHAUSTED_BAD) : BAD
    case 'not_dialled':
      // It may be the address: ports run out for each by itself, and others have idle connections. Nobody is blamed.
      return now.held && now.triesLeft > 0 && now.inTime ? OTHER_UNBLAMED : OURS
    case 'connect_timeout':
      return now.held ? elsewhere(now, true, EXHAUSTED_LATE) : LATE
    case 'closed':
    case 'reset':
      // An idle connection that the upstream closed under us says nothing about the upstream.
      if (!resendable(now)) return now.reused ? LOST : BAD
      if (now.reused && !now.refreshed && now.inTime) return REFRESH
      return elsewhere(now, !now.sent || now.retries === 0, EXHAUSTED_BAD)
    case 'malformed':
      return resendable(now) ? elsewhere(now, !now.sent, EXHAUSTED_BAD) : BAD
    case 'response_timeout':
      // The wait of this very attempt is not counted against `within`.
      return resendable(now) ? elsewhere({ ...now, inTime: true }, !now.sent, EXHAUSTED_LATE) : LATE
  }
}

function resendable({ sent, idempotent, held }: Circumstances): boolean {
  return held && (idempotent || !sent)
}

function elsewhere({ triesLeft, inTime }: Circumstances, free: boolean, exhausted: Next): Next {
  if (triesLeft <= 0 || !inTime) return exhausted
  return free ? OTHER_FREE : OTHER
}

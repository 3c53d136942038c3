/**
 * What a route does to a request and its answer beside sending them on. Compiled once, when the definitions change, and null for a route
 * that does nothing of it: that is all that its requests pay.
 */
import type { Route } from '../../core/nouns.ts'
import type { ErrorCode } from '../../errors.ts'
import { compileAdmission } from '../address.ts'
import { compileFields, cutDropped, type FieldChanges, UNCHANGED } from './field-changes.ts'
import { takeForwarded } from './forwarded.ts'
import { compileAnswer, type FixedAnswer, lacksHost } from './own-answers.ts'
import { type RequestHead, requestPath, requestTarget } from './request-head.ts'

export interface RouteRules {
  /** Whether a client of this address may; null: everybody. */
  readonly admits: ((address: string) => boolean) | null
  /** What it answers by itself; null: the request goes on. */
  readonly answer: FixedAnswer | null
  /** Prefixes without a final slash; '': none. */
  readonly strip: string
  readonly add: string
  /** The upstream is told of the client in Forwarded, not in X-Forwarded-*. */
  readonly forwarded: boolean
  readonly request: FieldChanges
  readonly response: FieldChanges
}

/** The rules of a route; null when it has none. */
export function compileRules(route: Route): RouteRules | null {
  const admits = compileAdmission(route)
  const strip = withoutFinalSlash(route.strip_prefix)
  const add = withoutFinalSlash(route.add_prefix)
  const forwarded = route.forwarded === 'forwarded'
  const request = compileFields(route.request_fields)
  const response = compileFields(route.response_fields)
  const answer = compileAnswer(route.target, response)
  const none = admits === null && answer === null && strip === '' && add === '' && !forwarded
  if (none && request === UNCHANGED && response === UNCHANGED) return null
  return { admits, answer, strip, add, forwarded, request, response }
}

function withoutFinalSlash(prefix = ''): string {
  return prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
}

/**
 * Makes `head` the one that goes on: its client, its target, without the fields that do not. What is added is the writer's business.
 * Answers null, or what we answer to a request that goes nowhere.
 */
export function applyRules(rules: RouteRules, head: RequestHead): ErrorCode | FixedAnswer | null {
  const { admits, answer, strip, add, forwarded, request } = rules
  if (forwarded) takeForwarded(head)
  if (admits !== null && !admits(head.client)) return 'address_denied'
  if (answer !== null) return lacksHost(answer, head) ? 'bad_request' : answer
  const target = requestTarget(head)
  // `*` is about the server as a whole: it has no path.
  if ((strip !== '' || add !== '') && target !== '*') {
    const path = requestPath(head)
    head.target = movedPath(path, strip, add) + target.slice(path.length)
  }
  cutDropped(head.cuts, head.text, head.line.at, head.end - 2, request)
  return null
}

/**
 * `path` without the prefix `strip`, if it has it, and behind the prefix `add`. What is left of a stripped path begins with exactly one
 * slash: with two it could be taken for the name of a host.
 */
export function movedPath(path: string, strip: string, add: string): string {
  const has = strip !== '' && path.startsWith(strip) && (path.length === strip.length || path[strip.length] === '/')
  return add + (has ? `/${path.slice(strip.length).replace(/^\/+/, '')}` : path)
}

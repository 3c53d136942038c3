/**
 * "No" from the admin API, in words: what was refused and why, what is in the way, and every mistake at its place.
 */
import { EXIT, type Exit } from './io.ts'
import { plain } from './print.ts'

export interface Failure {
  readonly kind: 'failure'
  readonly exit: Exit
  /** One line or more. */
  readonly message: string
}

export function failure(exit: Exit, message: string): Failure {
  return { kind: 'failure', exit, message }
}

/** Members of a problem document (RFC 9457) that are told in its first line, or to programs only. */
const TOLD = new Set(['type', 'title', 'status', 'detail', 'code', 'retry', 'request_id', 'problems'])

/** The failure for a problem document that came with `status`. */
export function refused(status: number, body: object): Failure {
  const said: Readonly<Record<string, unknown>> = { ...body }
  const title = typeof said.title === 'string' ? said.title : `HTTP status ${status}`
  if (status === 401) return failure(EXIT.notAllowed, `${title}: set GATEPOOL_TOKEN or GATEPOOL_TOKEN_FILE`)
  const problems = Array.isArray(said.problems) ? said.problems.map(mistake) : []
  // The detail of a wrong shape is its first mistake, which is told at its place.
  const detail = typeof said.detail === 'string' && problems.length === 0 ? `: ${said.detail}` : ''
  const inTheWay = Object.entries(said).flatMap(([key, value]) => (TOLD.has(key) ? [] : [`${key}: ${words(value)}`]))
  const more = [...problems, ...inTheWay, ...advice(said)].map(line => `  ${line}`)
  return failure(exitOf(status), [title + detail, ...more].map(plain).join('\n'))
}

function exitOf(status: number): Exit {
  if (status === 403) return EXIT.notAllowed
  return status === 404 ? EXIT.notFound : EXIT.failure
}

function advice({ code, request_id }: Readonly<Record<string, unknown>>): string[] {
  if (code === 'precondition_failed') return ['somebody else was faster: look at it again, then repeat the command']
  return code === 'internal' ? [`request_id: ${String(request_id)}`] : []
}

/** `body.members[0].weight: expected a number` without the word that only programs need. */
function mistake(problem: unknown): string {
  if (typeof problem !== 'object' || problem === null || !('message' in problem)) return words(problem)
  const at = 'at' in problem ? String(problem.at).replace(/^(body|query)\.?/, '') : ''
  return at === '' ? String(problem.message) : `${at}: ${String(problem.message)}`
}

/** A value as a person reads it: lists by their names, the rest as it is. */
function words(value: unknown): string {
  if (Array.isArray(value)) return value.map(words).join(', ')
  if (typeof value !== 'object' || value === null) return String(value)
  return 'name' in value ? String(value.name) : JSON.stringify(value)
}

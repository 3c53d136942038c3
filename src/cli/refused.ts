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
  /** Mistakes of what was sent, each at its place there. */
  readonly problems?: readonly Mistake[]
}

export interface Mistake {
  /** `body.members[0].weight`. */
  readonly at: string
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
  const problems = Array.isArray(said.problems) ? said.problems.filter(isMistake) : []
  // The detail of what has mistakes is the first of them, which is told at its place.
  const detail = typeof said.detail === 'string' && problems.length === 0 ? `: ${said.detail}` : ''
  const inTheWay = Object.entries(said).flatMap(([key, value]) =>
    TOLD.has(key) || (Array.isArray(value) && value.length === 0) ? [] : [`${key}: ${words(value)}`],
  )
  const more = [...problems.map(mistakeWords), ...inTheWay, ...advice(said)].map(line => `  ${line}`)
  return { ...failure(exitOf(status), [title + detail, ...more].map(plain).join('\n')), problems }
}

/** `refusal` with its mistakes at their lines in the file that was sent. */
export function placed(
  refusal: Failure,
  file: string,
  place: (path: (string | number)[]) => { readonly line: number; readonly column: number },
): Failure {
  const { message, problems = [] } = refusal
  if (problems.length === 0) return refusal
  const lines = problems.map(({ at, message: what }) => {
    const path = [...at.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, key = '']) =>
      index === undefined ? key : Number(index),
    )
    const { line, column } = place(path.slice(1))
    return `  ${file}:${line}:${column}: ${at.replace(/^body\.?/, '')}: ${what}`
  })
  return { ...refusal, message: [message.split('\n')[0] ?? '', ...lines].map(plain).join('\n') }
}

function exitOf(status: number): Exit {
  if (status === 403) return EXIT.notAllowed
  return status === 404 ? EXIT.notFound : EXIT.failure
}

function advice({ code, request_id }: Readonly<Record<string, unknown>>): string[] {
  if (code === 'precondition_failed') return ['somebody else was faster: look at it again, then repeat the command']
  return code === 'internal' ? [`request_id: ${String(request_id)}`] : []
}

function isMistake(problem: unknown): problem is Mistake {
  return typeof problem === 'object' && problem !== null && 'at' in problem && 'message' in problem
}

/** `body.members[0].weight: expected a number` without the word that only programs need. */
function mistakeWords({ at, message }: Mistake): string {
  const where = at.replace(/^(body|query)\.?/, '')
  return where === '' ? message : `${where}: ${message}`
}

/** A value as a person reads it: lists by their names, the rest as it is. */
function words(value: unknown): string {
  if (Array.isArray(value)) return value.map(words).join(', ')
  if (typeof value !== 'object' || value === null) return String(value)
  return 'name' in value ? String(value.name) : JSON.stringify(value)
}

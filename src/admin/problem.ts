/**
 * "No" over HTTP: every refusal and every error becomes a problem document (RFC 9457) with a stable code. What went wrong inside is
 * logged and never told.
 */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyError, FastifyReply } from 'fastify'
import { errors, type Refusal, refuse } from '../errors.ts'

export const PROBLEM_JSON = 'application/problem+json'

/** Seconds after which a request that may be repeated may be repeated, if the refusal does not know better (`retry_after`). */
const RETRY_AFTER = '1'

export function sendProblem(reply: FastifyReply, refusal: Refusal): FastifyReply {
  const { status, retry } = errors[refusal.code]
  if (retry && (status === 503 || status === 429)) {
    const { retry_after = RETRY_AFTER } = refusal.extra ?? {}
    reply.header('retry-after', String(retry_after))
  }
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="gatepool"')
  return reply.code(status).type(PROBLEM_JSON).serializer(JSON.stringify).send(problemOf(refusal, reply.request.id))
}

/** The document that says `refusal`. */
export function problemOf({ code, detail, extra }: Refusal, requestId: string) {
  const { title, status, retry } = errors[code]
  return { ...extra, type: `urn:gatepool:error:${code}`, title, status, detail, code, retry, request_id: requestId }
}

/** What fastify does not take of a request, and a store that is away; null for a mistake of ours, whatever status it claims to have. */
export function refusalOf({ code, message }: FastifyError): Refusal | null {
  switch (code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return refuse('unsupported_media_type', 'send the body as application/json')
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return refuse('body_too_large', 'the request body is larger than it may be here')
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return refuse('bad_request', 'the body is not valid JSON')
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return refuse('bad_request', 'the body is not as long as Content-Length says')
    case 'FST_ERR_BAD_URL':
      return refuse('bad_request', 'the path is not valid percent-encoding')
    // What was asked of a store that cannot be asked.
    case 'store_unavailable':
    case 'store_refilling':
    case 'store_foreign':
      return refuse(code, message)
    // The client broke off in the body: nobody reads the answer, but it is no mistake of ours.
    case 'ECONNRESET':
      return message === 'aborted' ? refuse('bad_request', 'the body has no end') : null
    default:
      return null
  }
}

/** Answers what could not even be read as a request. */
export function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex & { bytesWritten?: number }): void {
  // Once something was answered, more bytes could be taken for a part of it.
  if (error.code === 'ECONNRESET' || !socket.writable || (socket.bytesWritten ?? 0) > 0) {
    socket.destroy()
    return
  }
  const refusal = unreadable(error.code)
  const { status } = errors[refusal.code]
  const body = JSON.stringify(problemOf(refusal, '-'))
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: ${PROBLEM_JSON}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

function unreadable(code: string | undefined): Refusal {
  if (code === 'HPE_HEADER_OVERFLOW') return refuse('head_too_large', 'the head of the request is too large')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return refuse('request_timeout', 'the request did not arrive in time')
  return refuse('bad_request', 'this is not a valid HTTP request')
}

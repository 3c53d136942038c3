/**
 * Every way in which a message can be wrong, made once: a reader under attack allocates nothing to say no. A request is answered with
 * the status of the code; an answer with any of these is a malformed answer of its upstream, whatever the code.
 */
import { type Refusal, refuse } from '../../errors.ts'

const bad = (detail: string): Refusal => refuse('bad_request', detail)

export const refusals = {
  // Request line.
  method: bad('the method is not a token'),
  target: bad('the request target holds a byte that it may not hold'),
  targetForm: bad('the request target is neither a path nor an http address'),
  climbs: bad('the path climbs above its root'),
  version: bad('the version is malformed'),
  versionMajor: refuse('version_not_supported', 'only HTTP/1.1 and HTTP/1.0 are spoken here'),
  lineTooLong: refuse('target_too_long', 'the request line is too long'),
  methodRefused: refuse('method_not_allowed', 'CONNECT, TRACE and PRI are not served'),

  // Status line.
  status: bad('the status line is malformed'),
  interimOn10: bad('HTTP/1.0 has no interim answers'),
  switching: bad('the protocol was switched without naming it'),

  // Field lines.
  lineEnd: bad('a line does not end with CR LF'),
  fieldName: bad('a field name is not a token'),
  fieldValue: bad('a field value holds a control character'),
  folded: bad('a field line is folded'),
  spaceBeforeColon: bad('there is white space before a colon'),
  tooLarge: refuse('head_too_large', 'the head is too large'),
  tooManyFields: refuse('head_too_large', 'the head has too many fields'),

  // What the fields say.
  hostMissing: bad('the Host field is missing'),
  hostRepeated: bad('the Host field is repeated'),
  hostInvalid: bad('the Host field is not a valid host'),
  hostDiffers: bad('the Host field differs from the request target'),
  connection: bad('the Connection field is malformed'),
  length: bad('Content-Length is not a number'),
  lengthRepeated: bad('Content-Length is repeated'),
  lengthAndCoding: bad('both Content-Length and Transfer-Encoding are given'),
  codingOn10: bad('HTTP/1.0 has no transfer codings'),
  coding: refuse('coding_not_supported', 'the only transfer coding is chunked, once'),
  codingEmpty: bad('Transfer-Encoding is empty'),
  expectation: refuse('expectation_failed', 'the only expectation is 100-continue'),

  // Chunks.
  chunkSize: bad('a chunk size is not hexadecimal'),
  chunkTooLarge: bad('a chunk size is too large'),
  chunkExtension: bad('a chunk extension is malformed'),
  chunkExtensionTooLong: bad('the chunk extensions are too long'),
  chunkEnd: bad('a chunk does not end with CR LF'),
  trailersTooLarge: bad('the trailer section is too large'),
} as const satisfies Record<string, Refusal>

/** What a reader's `refusal` holds while nothing is wrong. */
export const NOTHING_REFUSED: Refusal = bad('')

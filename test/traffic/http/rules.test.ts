import { test } from 'tap'
import {
  collides,
  isIdempotent,
  KNOWN_FIELDS,
  knownField,
  mayBeNominated,
  mayBeTrailer,
} from '../../../src/traffic/http/rules.ts'

test('known fields are found by name and by family', t => {
  for (const name of KNOWN_FIELDS) t.equal(knownField(name.replace('*', 'anything')), name)
  for (const name of ['hosts', 'content-lengthy', 'x-forwarded', 'x-gatepool', 'cookie', ''])
    t.equal(knownField(name), undefined, name)
  t.end()
})

test('a name collides when its underscores stand for dashes', t => {
  for (const name of [
    'content_length',
    'x_forwarded-for',
    'x-forwarded_for',
    'x_gatepool_a',
    'transfer_encoding',
    'x_request_id',
  ]) {
    t.equal(collides(name), true, name)
  }
  for (const name of ['content-length', 'my_field', '_host', 'content__length', 'x_forwarded'])
    t.equal(collides(name), false, name)
  t.end()
})

test('what a Connection field may not take away', t => {
  for (const name of [
    'host',
    'content-length',
    'authorization',
    'cookie',
    'forwarded',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-real-ip',
    'via',
  ]) {
    t.equal(mayBeNominated(name), false, name)
  }
  for (const name of ['x-private', 'te', 'accept', 'set-cookie']) t.equal(mayBeNominated(name), true, name)
  t.end()
})

test('trailers that may not go on', t => {
  for (const name of [
    'content-length',
    'transfer-encoding',
    'host',
    'authorization',
    'set-cookie',
    'content_length',
    'x-forwarded-for',
    'trailer',
    'te',
  ]) {
    t.equal(mayBeTrailer(name), false, name)
  }
  for (const name of ['checksum', 'grpc-status', 'server-timing', 'etag']) t.equal(mayBeTrailer(name), true, name)
  t.end()
})

test('methods that may be sent twice', t => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']) t.equal(isIdempotent(method), true, method)
  for (const method of ['POST', 'PATCH', 'TRACE', 'get', 'PROPFIND', '']) t.equal(isIdempotent(method), false, method)
  t.end()
})

import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'tap'
import { RequestBody } from '../../../src/traffic/http/request-body.ts'
import { rawUpstream } from '../../support/raw-upstream.ts'

const bytes = (length: number): Buffer => Buffer.alloc(length, 'x')

test('a body that arrives too slowly is refused', async t => {
  const slow = () => {
    const body = new RequestBody(0, 240)
    body.begin('length', 1_000_000, 0)
    return body
  }
  await t.test('less than the rate over ten seconds', t => {
    const body = slow()
    for (let at = 1_000; at < 10_000; at += 1_000) body.read(bytes(200), 0, null, at)
    t.equal(body.refusal, null, 'not before ten seconds are over')
    body.read(bytes(200), 0, null, 10_000)
    t.equal(body.refusal?.code, 'request_timeout')
    t.end()
  })
  await t.test('just as fast as it has to be', t => {
    const body = slow()
    for (let at = 1_000; at <= 40_000; at += 1_000) body.read(bytes(240), 0, null, at)
    t.equal(body.refusal, null)
    t.end()
  })
  await t.test('time in which it was held back does not count', t => {
    const body = slow()
    body.read(bytes(100), 0, null, 1_000)
    body.restartWindow(60_000)
    body.read(bytes(100), 0, null, 61_000)
    t.equal(body.refusal, null)
    t.end()
  })
  await t.test('its last bytes may come whenever they come', t => {
    const body = slow()
    body.begin('length', 10, 0)
    body.read(bytes(10), 0, null, 30_000)
    t.equal(body.refusal, null)
    t.ok(body.done)
    t.end()
  })
  await t.test('no rate, no refusal', t => {
    const body = new RequestBody(0, 0)
    body.begin('length', 10, 0)
    body.read(bytes(1), 0, null, 1_000_000)
    t.equal(body.refusal, null)
    t.end()
  })
})

test('what an upstream could not take once does not hold back what it can take later', async t => {
  await using origin = await rawUpstream(peer => peer.socket.pause())
  const socket = connect(origin.port, '127.0.0.1')
  await once(socket, 'connect')
  while (socket.write(bytes(100_000))) {}
  const body = new RequestBody(0, 0)
  const read = (text: string) => body.read(Buffer.from(text), 0, socket, 0)
  body.begin('chunked', -1, 0)
  body.takeHeld(false)
  read('5\r\nhello\r\n')
  t.equal(body.writable, false)
  // Nothing of this is sent, so nothing would ever drain.
  read('5')
  t.equal(body.writable, true)
  socket.destroy()
})

test('small chunks of one read leave in one write', async t => {
  await using origin = await rawUpstream()
  const socket = connect(origin.port, '127.0.0.1')
  await once(socket, 'connect')
  const writes = t.capture(socket, 'write', socket.write)
  const body = new RequestBody(0, 0)
  body.begin('chunked', -1, 0)
  body.takeHeld(false)
  const small = '1\r\nx\r\n'.repeat(5_000)
  const large = `7530\r\n${'y'.repeat(30_000)}\r\n`
  body.read(Buffer.from(`${small}${large}${small}0\r\n\r\n`), 0, socket, 0)
  t.ok(body.done)
  // The small ones with the size line of the large one, its data, its end, and the rest.
  t.equal(writes().length, 4)
  const upstream = await origin.connection(0)
  t.equal(await upstream.text('0\r\n\r\n'), `${small}${large}${small}0\r\n\r\n`)
  socket.destroy()
})

test('one object serves every body of its connection', t => {
  const body = new RequestBody(100, 0)
  const whole = (kind: 'length' | 'chunked' | 'none', length: number, text: string) => {
    body.begin(kind, length, 0)
    const used = body.read(Buffer.from(text), 0, null, 0)
    return { used, done: body.done, refused: body.refusal?.code, sent: body.takeHeld(true) }
  }
  t.strictSame(whole('chunked', -1, '1;x\r\na\r\n0\r\n\r\nrest'), {
    used: 13,
    done: true,
    refused: undefined,
    sent: '1\r\na\r\n0\r\n\r\n',
  })
  t.strictSame(whole('length', 3, 'abcrest'), { used: 3, done: true, refused: undefined, sent: 'abc' })
  t.strictSame(whole('none', -1, 'rest'), { used: 0, done: true, refused: undefined, sent: '' })
  t.strictSame(whole('length', 101, 'abc'), { used: 0, done: false, refused: 'body_too_large', sent: '' })
  t.strictSame(whole('length', 3, 'ab'), { used: 2, done: false, refused: undefined, sent: 'ab' })
  t.equal(body.held, true, 'small enough to be sent again')
  body.takeHeld(false)
  t.equal(body.held, false, 'but not when that is not allowed')
  t.end()
})

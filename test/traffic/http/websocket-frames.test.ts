/** Where a frame of our own may stand between those of a server, whatever pieces they come in. */
import { test } from 'tap'
import { closeFrame, WebSocketFrames } from '../../../src/traffic/http/websocket-frames.ts'

/** A frame as a server sends it, or a client's when it is `masked`. */
function frame(size: number, { opcode = 2, masked = false, last = true } = {}): Buffer {
  const extended = size < 126 ? Buffer.alloc(0) : Buffer.alloc(size < 65_536 ? 2 : 8)
  if (extended.length === 2) extended.writeUInt16BE(size)
  else if (extended.length === 8) extended.writeBigUInt64BE(BigInt(size))
  const said = size < 126 ? size : size < 65_536 ? 126 : 127
  const header = Buffer.from([(last ? 0x80 : 0) | opcode, (masked ? 0x80 : 0) | said])
  // A payload that looks like headers.
  return Buffer.concat([header, extended, Buffer.alloc((masked ? 4 : 0) + size, 0x88)])
}

const SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000]
const frames = [
  ...SIZES.map(size => frame(size)),
  frame(300, { masked: true }),
  frame(10, { opcode: 1, last: false }),
  frame(5, { opcode: 9 }),
  frame(10, { opcode: 0 }),
]

test('between frames it is only there where one ends', t => {
  const all = Buffer.concat(frames)
  const ends = new Set([0, ...frames.map((_, i) => Buffer.concat(frames.slice(0, i + 1)).length)])
  for (const piece of [1, 2, 3, 7, 1000, all.length]) {
    const follower = new WebSocketFrames()
    let wrong = 0
    for (let at = 0; at < all.length; at += piece) {
      const to = Math.min(all.length, at + piece)
      if (follower.follow(all, at, to, false) !== to) wrong++
      if (follower.isBetween !== ends.has(to)) wrong++
    }
    t.equal(wrong, 0, `in pieces of ${piece}`)
    t.notOk(follower.closing)
  }
  t.end()
})

test('told to stop, it stops at the end of the frame that has begun', t => {
  for (const first of frames) {
    const bytes = Buffer.concat([first, frame(3)])
    for (const seen of [1, 2, 3, 5, first.length - 1]) {
      if (seen < 1 || seen >= first.length) continue
      const follower = new WebSocketFrames()
      follower.follow(bytes, 0, seen, false)
      t.equal(follower.follow(bytes, seen, bytes.length, true), first.length)
      t.ok(follower.isBetween)
      t.equal(follower.follow(bytes, first.length, bytes.length, true), first.length, 'and goes no further')
    }
  }
  t.end()
})

test('a close frame is noticed as soon as it begins', t => {
  const follower = new WebSocketFrames()
  const bytes = Buffer.concat([frame(4), closeFrame(1000)])
  follower.follow(bytes, 0, 6, false)
  t.notOk(follower.closing)
  follower.follow(bytes, 6, 7, false)
  t.ok(follower.closing)
  t.strictSame(closeFrame(1012), Buffer.from([0x88, 2, 0x03, 0xf4]))
  t.end()
})

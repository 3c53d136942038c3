/**
 * Bytes both ways at once through a TCP route, between ends that are all here: each ends its side at a moment of its own, first or last, and
 * some stop reading in the middle until everybody else is done.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { createDice, type Dice } from './dice.ts'
import { type L4Program, startL4Program } from './l4-program.ts'
import { within } from './raw-peer.ts'

/** Where the program's gateway is. */
const MEMBER = '127.0.0.2'
const BLOCK = Buffer.alloc(64 * 1024, 'gatepool moves bytes. ')
/** Bytes by which a connection says which one it is, and a block. */
const NUMBER = 4

export interface Transfers {
  /** Each way. */
  readonly bytes: number
  readonly connections: number
  /** So many of them stall. */
  readonly stalled: number
  readonly seed: number
}

export interface Transferred {
  /** In words, the connections of which one side got something else than the other sent. */
  readonly wrong: readonly string[]
  /** Resident memory of the program (bytes): before, when everybody had stalled or was done, and at most. */
  readonly before: number
  readonly stalled: number
  readonly largest: number
}

/** Ms after which nothing moves any more that waits for readers that have stalled. */
const REST = 1_000

/** What one end of a connection is to do. */
interface Part {
  /** Bytes that it sends before it ends its side, and that the other end sends. */
  readonly sends: number
  readonly gets: number
  /** Bytes after which it reads no more until it may again; Infinity: it reads on. */
  readonly stallsAt: number
}

export async function transfers({ bytes, connections, stalled, seed }: Transfers): Promise<Transferred> {
  const dice = createDice(seed)
  const up = shares(bytes, connections, dice)
  const down = shares(bytes, connections, dice)
  const goOn = Promise.withResolvers<void>()
  const ends = (i: number): readonly [client: Part, server: Part] => {
    const stalls = i < stalled
    // One side of it: the client of every other, the upstream of the rest.
    const at = (of: number, side: number) => (stalls && i % 2 === side ? Math.floor(of / 3) : Number.POSITIVE_INFINITY)
    return [
      { sends: up[i] ?? 0, gets: down[i] ?? 0, stallsAt: at(down[i] ?? 0, 0) },
      { sends: down[i] ?? 0, gets: up[i] ?? 0, stallsAt: at(up[i] ?? 0, 1) },
    ]
  }
  const parts = Array.from({ length: connections }, (_, i) => ends(i))
  const served = parts.map(() => Promise.withResolvers<Came>())
  const serve = async (socket: Socket) => {
    const number = (await firstBytes(socket)).readUInt32BE()
    served[number]?.resolve(play(socket, parts[number]?.[1] as Part, goOn.promise))
  }
  const server = createServer({ allowHalfOpen: true }, socket => void serve(socket))
  server.listen(0, MEMBER)
  await once(server, 'listening')
  await using program = await startL4Program('tcp', (server.address() as AddressInfo).port)
  using memory = watchMemory(program)

  const runs = parts.map(async ([part], i) => {
    const socket = connect({ port: program.port, host: '127.0.0.1', allowHalfOpen: true })
    await within(once(socket, 'connect'), 'a connection')
    const number = Buffer.alloc(NUMBER)
    number.writeUInt32BE(i)
    socket.write(number)
    const [client, upstream] = await Promise.all([play(socket, part, goOn.promise), served[i]?.promise])
    if (client === null && upstream === null) return []
    return [`connection ${i} of seed ${seed}: ${JSON.stringify({ part, client, upstream })}`]
  })
  await Promise.all(runs.slice(stalled))
  await pause(REST)
  const atRest = program.resident()
  goOn.resolve()
  const wrong = await Promise.all(runs)
  server.close()
  return { wrong: wrong.flat(), before: memory.before, stalled: atRest, largest: memory.largest }
}

function watchMemory(program: L4Program): { readonly before: number; readonly largest: number } & Disposable {
  const before = program.resident()
  let largest = before
  const timer = setInterval(() => {
    largest = Math.max(largest, program.resident())
  }, 50)
  return {
    before,
    get largest() {
      return largest
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

/** What one end got, in words; null: all that the other one sent. */
type Came = string | null

/** One end, to its end. What breaks it off is what came. */
async function play(socket: Socket, part: Part, goOn: Promise<void>): Promise<Came> {
  let broken: string | null = null
  socket.on('error', ({ message }) => {
    broken = message
  })
  const [, came] = await Promise.all([write(socket, part.sends), read(socket, part, goOn)])
  socket.destroy()
  return broken ?? came
}

/** The bytes from `at` to the end of their block, of a stream of `size` bytes: no two blocks are the same. */
function block(size: number, at: number): Buffer {
  const number = Math.floor(at / BLOCK.length)
  const bytes = Buffer.from(BLOCK.subarray(0, Math.min(BLOCK.length, size - number * BLOCK.length)))
  if (bytes.length >= NUMBER) bytes.writeUInt32BE(number)
  return bytes.subarray(at % BLOCK.length)
}

async function write(socket: Socket, size: number): Promise<void> {
  const gone = event(socket, 'close')
  for (let at = 0; at < size && !socket.destroyed; ) {
    // The socket may keep it: each is one of its own.
    const bytes = block(size, at)
    at += bytes.length
    if (!socket.write(bytes)) await Promise.race([event(socket, 'drain'), gone])
  }
  const finished = event(socket, 'finish')
  socket.end()
  // Only then is nothing lost when it is closed.
  await Promise.race([finished, gone])
}

async function read(socket: Socket, { gets, stallsAt }: Part, goOn: Promise<void>): Promise<Came> {
  let came = 0
  let wrong: Came = null
  socket.on('data', (chunk: Buffer) => {
    const before = came
    for (let at = 0; at < chunk.length && wrong === null; ) {
      const expected = block(gets, came).subarray(0, chunk.length - at)
      if (!chunk.subarray(at, at + expected.length).equals(expected)) wrong = `another byte after ${came}`
      if (expected.length === 0) wrong = 'too much'
      at += expected.length
      came += expected.length
    }
    if (before > stallsAt || came <= stallsAt) return
    socket.pause()
    void goOn.then(() => socket.resume())
  })
  if (!socket.readableEnded) await Promise.race([event(socket, 'end'), event(socket, 'close')])
  return wrong ?? (came === gets ? null : `${came} bytes of ${gets}`)
}

/** Once it happens; an error is seen elsewhere. */
function event(socket: Socket, name: 'drain' | 'finish' | 'end' | 'close'): Promise<void> {
  return new Promise(resolve => socket.once(name, resolve))
}

function firstBytes(socket: Socket): Promise<Buffer> {
  return new Promise(resolve => {
    const look = () => {
      const bytes = socket.read(NUMBER) as Buffer | null
      if (bytes === null) return
      socket.off('readable', look)
      resolve(bytes)
    }
    socket.on('readable', look)
  })
}

/** `bytes` in so many parts, small and large ones. */
function shares(bytes: number, count: number, { random }: Dice): readonly number[] {
  const weights = Array.from({ length: count }, () => random() ** 2)
  const all = weights.reduce((sum, weight) => sum + weight, 0)
  return weights.map(weight => Math.floor((bytes * weight) / all))
}

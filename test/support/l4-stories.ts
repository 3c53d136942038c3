/** Whole stories of TCP and UDP through failures, with members that are processes and are killed; small in the suite, large by a script. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createDice } from './dice.ts'
import { startL4, tcpPool } from './l4.ts'
import { seed } from './seed.ts'

interface Member extends AsyncDisposable {
  readonly port: number
  /** `kill -9`. */
  kill(): Promise<void>
}

async function startMember(host: string, port: number): Promise<Member> {
  const file = join(import.meta.dirname, 'echo-member.ts')
  const child: ChildProcess = spawn(process.execPath, [file, host, String(port)], {
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data')
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  return { port: Number(said), kill, [Symbol.asyncDispose]: kill }
}

async function twoMembers(): Promise<readonly [Member, Member]> {
  const first = await startMember('127.0.0.2', 0)
  return [first, await startMember('127.0.0.3', first.port)]
}

/** Connects `rate` times a second for `seconds`; in the middle the serving member is killed. Answers how many connects there were, and failed. */
export async function connectStorm({ rate, seconds }: { rate: number; seconds: number }) {
  const [first, second] = await twoMembers()
  await using _members = disposing(first, second)
  await using l4 = await startL4(tcpPool(['a', 'b'], first.port), { trials: true })
  const port = l4.port('tcp')
  let failed = 0
  let cut = 0
  const total = rate * seconds
  const visits: Promise<void>[] = []
  const start = performance.now()
  for (let i = 0; i < total; i++) {
    const due = start + (i * 1000) / rate
    if (performance.now() < due) await pause(due - performance.now())
    if (i === total / 2) void first.kill()
    visits.push(
      visit(port).then(
        how => {
          if (how === 'cut') cut++
        },
        () => {
          failed++
        },
      ),
    )
  }
  await Promise.all(visits)
  return { total, failed, cut, facts: l4.facts.map(({ kind }) => kind) }
}

/** One connection that asks and is answered; `cut`: it was open when its member was killed. */
async function visit(port: number): Promise<'answered' | 'cut'> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.end('hello')
  // Connected it was; whatever ends it now is the end of its member.
  const came = await Promise.race([
    once(socket, 'data').then(() => true),
    once(socket, 'close').then(() => false),
  ]).catch(() => false)
  socket.destroy()
  return came ? 'answered' : 'cut'
}

/** `pairs` requests and answers over `clients` sockets, one at a time each; in the middle the serving member is killed. */
export async function datagramPairs({ pairs, clients }: { pairs: number; clients: number }) {
  const [first, second] = await twoMembers()
  await using _members = disposing(first, second)
  const written = tcpPool(['a', 'b'], first.port, { route: { name: 'udp', protocol: 'udp' } })
  await using l4 = await startL4(written, { trials: true })
  const port = l4.port('udp')
  let done = 0
  let lost = 0
  const killed: Promise<void>[] = []
  const each = pairs / clients
  const goesOn = await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const socket = createSocket('udp4')
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
      let last = false
      for (let i = 0; i < each; i++) {
        const text = `${client} ${i}`
        socket.send(text, port, '127.0.0.1')
        last = await answerIs(socket, text)
        if (last) done++
        else lost++
        if (done === pairs / 2 && killed.length === 0) killed.push(first.kill())
      }
      socket.close()
      return last
    }),
  )
  await Promise.all(killed)
  return { pairs, done, lost, stuck: goesOn.filter(answered => !answered).length }
}

/** Comes this text, and nothing older, within a second? */
function answerIs(socket: ReturnType<typeof createSocket>, text: string): Promise<boolean> {
  return new Promise(resolve => {
    const end = (came: boolean) => {
      clearTimeout(timer)
      socket.off('message', look)
      resolve(came)
    }
    const look = (bytes: Buffer) => {
      if (bytes.toString() === text) end(true)
    }
    const timer = setTimeout(() => end(false), 1_000)
    socket.on('message', look)
  })
}

/** `bytes` both ways at once over `connections`, each of which ends its side at a moment of its own; answers those whose bytes are not the same. */
export async function transfers({ bytes, connections }: { bytes: number; connections: number }) {
  const member = await startMember('127.0.0.2', 0)
  await using _member = disposing(member)
  await using l4 = await startL4(tcpPool(['a'], member.port))
  const { int } = createDice(seed)
  const block = Buffer.alloc(256 * 1024, 'gatepool moves bytes. ')
  const port = l4.port('tcp')
  const share = Math.floor(bytes / connections)
  const wrong: string[] = []
  await Promise.all(
    Array.from({ length: connections }, async (_, i) => {
      // A random part of its share: the client ends while most of the echo is still under way.
      const size = share - int(Math.min(share, block.length))
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
      await once(socket, 'connect')
      const [sent, came] = await Promise.all([write(socket, block, size, i), read(socket)])
      if (sent !== came) wrong.push(`connection ${i}: ${sent} went, ${came} came`)
      socket.destroy()
    }),
  )
  return { bytes, wrong }
}

async function write(socket: Socket, block: Buffer, size: number, salt: number): Promise<string> {
  const hash = createHash('sha256')
  const own = Buffer.from(block)
  for (let left = size; left > 0; ) {
    own.writeUInt32BE((left ^ salt) >>> 0, 0)
    // The socket may keep it: each part is one of its own.
    const part = Buffer.from(own.subarray(0, Math.min(left, own.length)))
    hash.update(part)
    left -= part.length
    if (!socket.write(part)) await once(socket, 'drain')
  }
  socket.end()
  return hash.digest('hex')
}

async function read(socket: Socket): Promise<string> {
  const hash = createHash('sha256')
  socket.on('data', chunk => hash.update(chunk as Buffer))
  await Promise.race([once(socket, 'end'), once(socket, 'close')])
  return hash.digest('hex')
}

function disposing(...members: readonly Member[]): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      for (const member of members) await member.kill()
    },
  }
}

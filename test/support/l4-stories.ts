/** Whole stories of TCP and UDP through failures, with members that are processes and are killed; small in the suite, large by a script. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startL4, tcpPool } from './l4.ts'

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
  let isDead = false
  const total = rate * seconds
  const visits: Promise<void>[] = []
  const start = performance.now()
  for (let i = 0; i < total; i++) {
    const due = start + (i * 1000) / rate
    if (performance.now() < due) await pause(due - performance.now())
    if (i === total / 2)
      void first.kill().then(() => {
        isDead = true
      })
    const isAfter = isDead
    visits.push(
      visit(port).then(
        how => {
          // Whoever came when it was dead already has to be answered by the other.
          if (how === 'cut' && isAfter) failed++
          else if (how === 'cut') cut++
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

function disposing(...members: readonly Member[]): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      for (const member of members) await member.kill()
    },
  }
}

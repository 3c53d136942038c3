/**
 * Admins who write at random, at once, on three replicas, while Redis (`appendfsync always`) is stopped, killed and started at random. What
 * they were told is held against what is there in the end (`shared-writes-check.ts`).
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Test } from 'tap'
import { createDice, type Dice } from './dice.ts'
import { type RedisServer, startRedis } from './redis.ts'
import { startGateway, startReplica, type TestReplica } from './replicas.ts'
import { type AuditRecord, compare, compareHistory, lookAtTheEnd, type Operation } from './shared-writes-check.ts'
import { until } from './until.ts'

const POOLS = ['main', 'one', 'two', 'three']
/** Admins at each replica. */
const ADMINS = 3
/** At most so many operations are done between two faults, and so many answered while Redis is dead. */
const BETWEEN = 100
const DEAD = 40
/** Ms for which Redis stands still at most: longer than a replica waits for an answer. */
const STILL = 1_500
/** Ms between two looks at the audit chain. */
const PACE = 50

export interface Tally {
  readonly done: number
  readonly refused: number
  readonly unknown: number
  /** Of the unknown ones, how many were done. */
  readonly found: number
  readonly stops: number
  readonly kills: number
}

/** Lets them write until `count` operations were asked for, and looks whether what they were told is true. */
export async function writeAtRandom(t: Test, count: number, seed: number): Promise<Tally> {
  const dice = createDice(seed)
  const redis = await startRedis(t, { appendonly: 'yes', appendfsync: 'always' })
  const ports = { home: await startGateway(t, 'home'), nas: await startGateway(t, 'nas') }
  const replicas = await Promise.all(['a', 'b', 'c'].map(name => startReplica(t, { name, url: redis.url, ports })))
  const [first] = replicas as [TestReplica]
  for (const { name, status } of replicas)
    await until(`${name} knows the others`, async () => (await status()).replicas.length === replicas.length)
  for (const name of POOLS.slice(1)) {
    const made = await first.ask('POST', '/gateway-pools', { name, members: ['home'] })
    if (made.status !== 201) throw new Error(`${made.status}: ${await made.text()}`)
  }

  const operations: Operation[] = []
  let asked = 0
  let done = 0
  const admin = async (replica: TestReplica) => {
    const mine: string[] = []
    while (asked < count) {
      const operation = await ask(replica, dice, ++asked, mine)
      operations.push(operation)
      if (operation.told === 'done') done++
      // What is asked while Redis is away is answered at once, and shows little.
      if (operation.status === 503) await pause(dice.int(100))
    }
  }
  const admins = Promise.all(replicas.flatMap(replica => Array.from({ length: ADMINS }, () => admin(replica))))
  let writing = true
  const end = () => {
    writing = false
  }
  admins.then(end, end)
  const audit = auditReader(first)
  const reading = (async () => {
    // Often enough that no record is trimmed before it was read.
    for (; writing; await pause(PACE)) await audit.read()
  })()
  const faults = await trouble(redis, dice, {
    goesOn: () => writing,
    done: () => done,
    answered: () => operations.length,
  })
  await Promise.all([admins, reading])
  await until('all of them have an answer', async () =>
    (await Promise.all(replicas.map(({ status }) => status()))).every(({ store }) => store.available),
  )
  await until('the audit chain is read to its end', () => audit.read())

  const found = compare(t, operations, audit.records)
  await compareHistory(t, first, audit.records)
  await lookAtTheEnd(t, replicas, POOLS, audit.records)
  const told = (what: Operation['told']) => operations.filter(({ told }) => told === what).length
  return { done: told('done'), refused: told('refused'), unknown: told('unknown'), found, ...faults }
}

interface Progress {
  goesOn(): boolean
  /** How many operations. */
  done(): number
  answered(): number
}

/** Stops, kills and starts Redis again and again, without waiting until everybody has got over it. */
async function trouble(redis: RedisServer, dice: Dice, progress: Progress): Promise<Pick<Tally, 'stops' | 'kills'>> {
  const more = async (which: 'done' | 'answered', most: number) => {
    const goal = progress[which]() + dice.int(most)
    await until(`more are ${which}`, async () => !progress.goesOn() || progress[which]() >= goal)
  }
  const faults = { stops: 0, kills: 0 }
  while (progress.goesOn()) {
    await more('done', BETWEEN)
    if (dice.maybe(0.5)) {
      faults.stops++
      redis.pause()
      await pause(dice.int(STILL))
      redis.resume()
    } else {
      faults.kills++
      await redis.kill()
      await more('answered', DEAD)
      await redis.start()
    }
  }
  return faults
}

/** What a write may be told when others write too, or Redis is away. */
const EXPECTED = new Set(['store_unavailable', 'revision_conflict', 'precondition_failed'])

/** Asks for a change of some kind. `mine`: routes that this admin has made. */
async function ask(replica: TestReplica, dice: Dice, number: number, mine: string[]): Promise<Operation> {
  const name = `op-${number}`
  const write = async (mark: string, ...request: Parameters<TestReplica['ask']>): Promise<Operation> => {
    const began = performance.now()
    const response = await replica.ask(...request)
    const text = await response.text()
    const ended = performance.now()
    const { status } = response
    if (response.ok) return { mark, began, ended, told: 'done', status }
    const { code, outcome } = JSON.parse(text)
    if (!EXPECTED.has(code)) throw new Error(`${mark}: ${status} ${text}`)
    return { mark, began, ended, told: outcome === 'unknown' ? 'unknown' : 'refused', status }
  }

  const chosen = dice.int(10)
  if (chosen < 2) {
    const route = { name, match: { host: `${name}.example.org` }, target: { pool: 'main' } }
    const made = await write(`create_route route:${name}`, 'POST', '/routes', route)
    if (made.told === 'done') mine.push(name)
    return made
  }
  if (chosen < 4 && mine.length > 0) {
    const old = mine.shift()
    return write(`delete_route route:${old}`, 'DELETE', `/routes/${old}`)
  }
  const path = `/gateway-pools/${dice.oneOf(POOLS)}`
  const guard = chosen < 7 ? {} : { 'if-match': (await replica.ask('GET', path)).headers.get('etag') ?? '' }
  return write(name, 'PATCH', path, { title: name }, guard)
}

/** Reads the audit chain as it grows. `read` answers true once there is nothing more, and false while it cannot be read. */
function auditReader(replica: TestReplica): { readonly records: AuditRecord[]; read(): Promise<boolean> } {
  const records: AuditRecord[] = []
  return {
    records,
    async read() {
      for (;;) {
        const response = await replica.ask('GET', `/audit?after=${records.at(-1)?.seq ?? 0}&limit=500`)
        if (!response.ok) return false
        const { items } = (await response.json()) as { readonly items: readonly AuditRecord[] }
        if (items.length === 0) return true
        records.push(...items)
      }
    },
  }
}

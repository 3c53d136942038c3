/**
 * A process with a store of its own, for tests that kill it or take its disk away: `child.ts <what> <path>`. Says on stdout, one JSON
 * value a line, what it has done, and never before it is done. Ends when nobody listens any more.
 */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as turn } from 'node:timers/promises'
import { realClock } from '../../src/clock.ts'
import type { Store, Write, WriteResult } from '../../src/core/store.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { handClock } from '../support/hand-clock.ts'
import { beats, CLUSTER, definitions, draft, local, values } from './samples.ts'

const [what, path = ''] = process.argv.slice(2)
const say = (value: unknown) => writeSync(1, `${JSON.stringify(value)}\n`)

const put = (store: Store, rest: Partial<Write>): Promise<WriteResult> =>
  store.write({ expect: {}, documents: {}, facts: [], at: 1, by: 'child', ...rest })

await { hold, half, storm, full }[what as 'hold' | 'half' | 'storm' | 'full']()

/** Opens the store and keeps it until stdin ends. */
async function hold(): Promise<void> {
  try {
    await using _store = await openEmbeddedStore({ path, cluster: CLUSTER, clock: realClock() })
    say('open')
    process.stdin.resume()
    await once(process.stdin, 'end')
  } catch (error) {
    say(String(error))
  }
}

/** Is in the middle of its first transaction on a new file, part of which has reached the disk. */
function half(): void {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA cache_size = 1; BEGIN; CREATE TABLE document (value TEXT)')
  for (let n = 0; n < 20; n++) db.exec(`INSERT INTO document VALUES ('${'x'.repeat(3_000)}')`)
  say('half')
  process.stdin.resume()
}

/** Writes until it is killed. All documents of one write, and its twenty facts, carry one number. */
async function storm(): Promise<void> {
  const store = await openEmbeddedStore({ path, cluster: CLUSTER, clock: realClock(), flushEvery: 1 })
  const { definitions, holds, liveness } = await store.read()
  const expect = { definitions: definitions.revision, holds: holds.revision, liveness: liveness.revision }
  for (let n = liveness.revision + 1; ; n++) {
    const { liveness, ...wishes } = values(n)
    const documents = n % 4 === 0 ? { liveness, ...wishes } : { liveness }
    const facts = Array.from({ length: 20 }, () => draft(`${n}`))
    const result = await put(store, { expect, documents, facts })
    if (result.kind !== 'written') throw new Error(JSON.stringify(result))
    for (const name of Object.keys(documents)) expect[name as keyof typeof expect] = result.revision
    say(result.revision)
    store.append([local(n)])
    store.saveBeats(beats(n))
    // Now and then the flush has its turn too.
    if (n % 8 === 0) await turn()
  }
}

/** Writes until the disk is full, waits for a line on stdin that says it is not full any more, and goes on. */
async function full(): Promise<void> {
  const clock = handClock()
  const failed: string[] = []
  const onError = (error: unknown) => failed.push(String(error))
  await using store = await openEmbeddedStore({ path, cluster: CLUSTER, clock, onError })
  const title = 'x'.repeat(20_000)
  const large = (n: number) => ({ ...definitions(n), title })
  const untilRefused = async (next: (n: number) => Partial<Write>): Promise<[taken: number, refused: WriteResult]> => {
    for (let n = 0; n < 1000; n++) {
      const result = await put(store, next(n + 1))
      if (result.kind !== 'written') return [n, result]
    }
    throw new Error('the disk does not fill')
  }
  const [n, refused] = await untilRefused(n => ({ documents: { definitions: large(n) }, facts: [draft('home')] }))
  // Down to the last page: no transaction is smaller than an empty one.
  const [small] = await untilRefused(() => ({}))
  const revision = n + small
  store.append([local(1)])
  store.saveBeats(beats(1))
  clock.advance(3000)
  clock.advance(3000)
  const stands = (await store.read()).definitions.value.settings.gateway_down_threshold
  const [last] = await store.events({ limit: 1 })
  say({ taken: n, revision, refused, stands, failed: failed.length, last })

  await once(process.stdin, 'data')
  clock.advance(3000)
  const result = await put(store, { documents: { definitions: definitions(n + 1) }, facts: [draft('home')] })
  say({ taken: result.kind, failed: failed.length })
  process.stdin.destroy()
}

/**
 * What every store must do, whatever is behind it. Each check says no by throwing, so that the checks themselves can be tried on stores
 * that are wrong on purpose (`contract.test.ts`).
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Test } from 'tap'
import type { Fact } from '../../src/core/events.ts'
import {
  type AuditPart,
  type AuditQuery,
  EMPTY,
  type EventQuery,
  type Store,
  type Write,
} from '../../src/core/store.ts'
import { access, asked, beats, CLUSTER, definitions, draft, holds, liveness, local, values } from './samples.ts'

/** Opens the store of one place, with `CLUSTER` for its cluster. Opened again after it was disposed, it has what it had. */
export type Open = () => Promise<Store>

export interface Check {
  readonly title: string
  /** Throws when the store does not do what the title says. */
  readonly run: (open: Open) => Promise<void>
}

/** Runs the contract; `place` is asked for a new, empty place for each check. */
export function testContract(t: Test, place: (t: Test) => Open): void {
  for (const { title, run } of contract) t.test(title, t => t.resolves(run(place(t))))
}

const write = (store: Store, rest: Partial<Write>) =>
  store.write({ expect: {}, documents: {}, facts: [], at: 1, by: 'system', ...rest })

/** A write that must be taken. */
async function taken(store: Store, rest: Partial<Write>) {
  const result = await write(store, rest)
  if (result.kind !== 'written') assert.fail(`not written: ${JSON.stringify(result)}`)
  return result
}

async function pages(store: Store, query: EventQuery): Promise<string[][]> {
  const found: string[][] = []
  for (let after = query.after; found.length < 100; ) {
    const page = await store.events({ ...query, ...(after !== undefined && { after }) })
    if (page.length === 0) break
    found.push(ids(page))
    after = page.at(-1)?.id
  }
  return found
}

const ids = (facts: readonly Fact[]) => facts.map(({ id }) => id)

/** The record of `asked(n)` as it has to be stored, by the words of the contract and not by the code under test. */
function record(seq: number, previous: string, n: number) {
  const text = JSON.stringify({ seq, ...asked(n) })
  return { seq, previous, hash: createHash('sha256').update(previous).update(text).digest('hex'), text }
}

const NOTHING_BEFORE = '0'.repeat(64)

const numbers = ({ links }: AuditPart) => links.map(({ seq }) => seq)

const names = ['definitions', 'holds', 'liveness', 'access'] as const

export const contract: readonly Check[] = [
  {
    title: 'a new store holds nothing, at revision 0',
    async run(open) {
      await using store = await open()
      assert.deepEqual(await store.read(), {
        definitions: { revision: 0, value: EMPTY.definitions },
        holds: { revision: 0, value: EMPTY.holds },
        liveness: { revision: 0, value: EMPTY.liveness },
        access: { revision: 0, value: EMPTY.access },
      })
      assert.deepEqual(await store.readBeats(), new Map())
      assert.deepEqual(await store.readUses(), {})
      assert.deepEqual(await store.readCursors(), {})
      assert.deepEqual(await store.events({ limit: 10 }), [])
      assert.deepEqual(await store.audit({ limit: 10 }), { anchor: { seq: 0, hash: NOTHING_BEFORE }, links: [] })
      assert.deepEqual(await store.history({ limit: 10 }), [])
      assert.equal(await store.definitionsAt(0), undefined)
    },
  },
  {
    title: 'a write is answered with the documents at its revision and the facts with their ids',
    async run(open) {
      await using store = await open()
      const facts = [draft('home'), draft('attic')]
      const result = await write(store, {
        expect: { definitions: 0, holds: 0, liveness: 0, access: 0 },
        documents: values(1),
        facts,
      })
      const told = facts.map((fact, i) => ({ ...fact, id: `1-${i + 1}`, cluster: CLUSTER }))
      const documents = {
        definitions: { revision: 1, value: definitions(1) },
        holds: { revision: 1, value: holds(1) },
        liveness: { revision: 1, value: liveness(1) },
        access: { revision: 1, value: access(1) },
      }
      assert.deepEqual(result, { kind: 'written', revision: 1, documents, facts: told })
      assert.deepEqual(await store.read(), documents)
      assert.deepEqual(await store.events({ limit: 10 }), told)
    },
  },
  {
    title: 'one counter serves all documents: a revision is its value at the last write',
    async run(open) {
      await using store = await open()
      const first = await taken(store, { documents: { definitions: definitions(1) } })
      assert.deepEqual(first.documents, { definitions: { revision: 1, value: definitions(1) } })
      await taken(store, { documents: { holds: holds(2) }, facts: [draft('home')] })
      await taken(store, { facts: [draft('attic')] })
      const last = await taken(store, {
        expect: { holds: 2 },
        documents: { liveness: liveness(4) },
        facts: [draft('b')],
      })
      assert.equal(last.revision, 4)
      assert.deepEqual(await store.read(), {
        definitions: { revision: 1, value: definitions(1) },
        holds: { revision: 2, value: holds(2) },
        liveness: { revision: 4, value: liveness(4) },
        access: { revision: 0, value: EMPTY.access },
      })
      assert.deepEqual(ids(await store.events({ limit: 10 })), ['2-1', '3-1', '4-1'])
    },
  },
  ...names.map(name => ({
    title: `a write that expects an older revision of ${name} changes nothing and is answered with what stands`,
    async run(open: Open) {
      await using store = await open()
      await taken(store, { documents: { [name]: values(1)[name] } })
      await taken(store, { expect: { [name]: 1 }, documents: { [name]: values(2)[name] }, facts: [draft('home')] })
      const before = await store.read()
      for (const revision of [0, 1, 3]) {
        const late = { expect: { [name]: revision }, documents: { [name]: values(3)[name] }, facts: [draft('late')] }
        const stands = { kind: 'conflict', documents: before, heard: [], facts: [], beats: new Map() }
        assert.deepEqual(await write(store, { ...late, audit: asked(1) }), stands)
      }
      assert.deepEqual(numbers(await store.audit({ limit: 10 })), [])
      assert.deepEqual(await store.read(), before)
      assert.deepEqual(ids(await store.events({ limit: 10 })), ['2-1'])
      assert.equal((await taken(store, {})).revision, 3)
    },
  })),
  {
    title: 'one stale document among several spoils the whole write',
    async run(open) {
      await using store = await open()
      await taken(store, { documents: values(1) })
      await taken(store, { documents: { liveness: liveness(2) } })
      const before = await store.read()
      const result = await write(store, {
        expect: { definitions: 1, holds: 1, liveness: 1 },
        documents: values(3),
        facts: [draft('home')],
      })
      assert.deepEqual(result, { kind: 'conflict', documents: before, heard: [], facts: [], beats: new Map() })
      assert.deepEqual(await store.read(), before)
      assert.deepEqual(await store.events({ limit: 10 }), [])
    },
  },
  {
    title: 'a document that is expected and not written is compared too',
    async run(open) {
      await using store = await open()
      await taken(store, { documents: values(1) })
      const result = await write(store, { expect: { definitions: 0 }, documents: { liveness: liveness(2) } })
      assert.equal(result.kind, 'conflict')
      assert.deepEqual((await store.read()).liveness, { revision: 1, value: liveness(1) })
    },
  },
  {
    title: 'of writes asked for at once that expect the same, one is taken',
    async run(open) {
      await using store = await open()
      const racing = [1, 2, 3, 4].map(n => write(store, { expect: { holds: 0 }, documents: { holds: holds(n) } }))
      const kinds = (await Promise.all(racing)).map(({ kind }) => kind)
      assert.deepEqual(kinds.sort(), ['conflict', 'conflict', 'conflict', 'written'])
      assert.equal((await store.read()).holds.revision, 1)
    },
  },
  {
    title: 'no change is lost among writers that try again after a conflict',
    async run(open) {
      await using store = await open()
      const count = async (times: number) => {
        let { revision, value } = (await store.read()).definitions
        for (let done = 0; done < times; ) {
          const next = definitions(value.settings.gateway_down_threshold + 1)
          const result = await write(store, { expect: { definitions: revision }, documents: { definitions: next } })
          if (result.kind === 'refusal') assert.fail(result.detail)
          if (result.kind === 'written') done++
          if (result.documents.definitions) ({ revision, value } = result.documents.definitions)
        }
      }
      await taken(store, { documents: { definitions: definitions(0) } })
      await Promise.all([count(10), count(10), count(10)])
      assert.deepEqual((await store.read()).definitions, { revision: 31, value: definitions(30) })
    },
  },
  {
    title: 'facts come back in the order in which they were told, by whomever',
    async run(open) {
      await using store = await open()
      store.append([local(1)])
      await taken(store, { facts: [draft('x'), draft('y')] })
      store.append([local(2), local(3)])
      store.append([local(4)])
      const told = ['a-boot-1', '1-1', '1-2', 'a-boot-2', 'a-boot-3', 'a-boot-4']
      assert.deepEqual(ids(await store.events({ limit: 10 })), told)
      await taken(store, { facts: [draft('z')] })
      const facts = await store.events({ limit: 10 })
      assert.deepEqual(ids(facts), [...told, '2-1'])
      assert.deepEqual(facts[0], local(1))
    },
  },
  {
    title: 'events are read page by page, each exactly once, also while more arrive',
    async run(open) {
      await using store = await open()
      await taken(store, { facts: ['a', 'b', 'c'].map(name => draft(name)) })
      store.append([local(1), local(2)])
      assert.deepEqual(ids(await store.events({ limit: 2 })), ['a-boot-1', 'a-boot-2'], 'the newest, oldest first')
      assert.deepEqual(ids(await store.events({ limit: 3 })), ['1-3', 'a-boot-1', 'a-boot-2'])
      assert.deepEqual(await pages(store, { after: '1-1', limit: 2 }), [
        ['1-2', '1-3'],
        ['a-boot-1', 'a-boot-2'],
      ])
      await taken(store, { facts: [draft('d')] })
      store.append([local(3)])
      assert.deepEqual(ids(await store.events({ after: 'a-boot-1', limit: 10 })), ['a-boot-2', '2-1', 'a-boot-3'])
      assert.deepEqual(await store.events({ after: 'a-boot-3', limit: 10 }), [])
      assert.deepEqual(await store.events({ limit: 0 }), [])
      assert.deepEqual(await store.events({ after: '1-1', limit: 0 }), [])
    },
  },
  {
    title: 'kind and subject choose among the events',
    async run(open) {
      await using store = await open()
      await taken(store, { facts: [draft('x'), draft('y'), draft('x', 'first_alive'), draft('x')] })
      store.append([local(1, 'x'), local(2, 'y')])
      const found = async (query: Partial<EventQuery>) => ids(await store.events({ limit: 10, ...query }))
      assert.deepEqual(await found({ subject: 'x' }), ['1-1', '1-3', '1-4', 'a-boot-1'])
      assert.deepEqual(await found({ kinds: ['gateway_down'] }), ['1-1', '1-2', '1-4'])
      assert.deepEqual(await found({ kinds: ['gateway_down'], subject: 'x' }), ['1-1', '1-4'])
      assert.deepEqual(await found({ subject: 'x', limit: 2 }), ['1-4', 'a-boot-1'])
      assert.deepEqual(await found({ subject: 'y', after: '1-2' }), ['a-boot-2'])
      assert.deepEqual(await found({ kinds: ['store_lost'], subject: 'y', after: 'a-boot-1' }), ['a-boot-2'])
      assert.deepEqual(await pages(store, { after: '1-1', subject: 'x', limit: 1 }), [['1-3'], ['1-4'], ['a-boot-1']])
      assert.deepEqual(await found({ kinds: ['nothing'] }), [])
      assert.deepEqual(await found({ kinds: ['first_alive', 'store_lost'], subject: 'x' }), ['1-3', 'a-boot-1'])
      const [first] = await store.events({ limit: 10 })
      const at = first?.at ?? 0
      assert.deepEqual(await found({ until: at }), [])
      assert.ok((await found({ since: at })).includes('1-1'))
      assert.ok(!(await found({ since: at + 1 })).includes('1-1'))
      assert.deepEqual(
        [await store.keeps('1-3'), await store.keeps('a-boot-2'), await store.keeps('9-9')],
        [true, true, false],
      )
    },
  },
  {
    title: 'after an event that is not known, events begin at the oldest kept',
    async run(open) {
      await using store = await open()
      await taken(store, { facts: [draft('x')] })
      store.append([local(1)])
      assert.deepEqual(ids(await store.events({ after: '99-1', limit: 10 })), ['1-1', 'a-boot-1'])
      assert.deepEqual(ids(await store.events({ after: '', limit: 1 })), ['1-1'])
    },
  },
  {
    title: 'beats come back as last saved',
    async run(open) {
      await using store = await open()
      store.saveBeats(beats(1))
      store.saveBeats(beats(2))
      assert.deepEqual(await store.readBeats(), beats(2))
    },
  },
  {
    title: 'a write that was asked for leaves one record, bound to the one before it by its hash',
    async run(open) {
      await using store = await open()
      await taken(store, { documents: values(1), audit: asked(1) })
      await taken(store, { documents: { holds: holds(2) } })
      await taken(store, { audit: asked(3), by: 'another' })
      await Promise.all([4, 5].map(n => taken(store, { documents: { access: access(n) }, audit: asked(n) })))
      const first = record(1, NOTHING_BEFORE, 1)
      const second = record(2, first.hash, 3)
      const third = record(3, second.hash, 4)
      const links = [first, second, third, record(4, third.hash, 5)]
      assert.deepEqual(await store.audit({ limit: 10 }), { anchor: { seq: 0, hash: NOTHING_BEFORE }, links })
    },
  },
  {
    title: 'audit records are read page by page, and chosen by who, what and whom',
    async run(open) {
      await using store = await open()
      for (const n of [1, 2, 3, 4, 5, 6]) {
        const by = n % 2 === 0 ? 'even' : 'odd'
        const action = n === 3 ? 'delete_pool' : 'update_pool'
        await taken(store, { audit: asked(n, { by, action, subject: n < 5 ? 'pool:main' : 'settings' }) })
      }
      const found = async (query: Partial<AuditQuery>) => numbers(await store.audit({ limit: 10, ...query }))
      assert.deepEqual(await found({ limit: 2 }), [5, 6], 'the newest, oldest first')
      assert.deepEqual(await found({ after: 0, limit: 2 }), [1, 2])
      assert.deepEqual(await found({ after: 2, limit: 3 }), [3, 4, 5])
      assert.deepEqual(await found({ after: 6 }), [])
      assert.deepEqual(await found({ after: 99 }), [])
      assert.deepEqual(await found({ limit: 0 }), [])
      assert.deepEqual(await found({ by: 'odd' }), [1, 3, 5])
      assert.deepEqual(await found({ by: 'odd', limit: 1 }), [5])
      assert.deepEqual(await found({ by: 'odd', after: 1, limit: 1 }), [3])
      assert.deepEqual(await found({ action: 'update_pool', by: 'odd' }), [1, 5])
      assert.deepEqual(await found({ subject: 'settings', after: 1 }), [5, 6])
      assert.deepEqual(await found({ by: '' }), [])
    },
  },
  {
    title: 'the later use of each token comes back, while there is the token',
    async run(open) {
      await using store = await open()
      const [one] = access(1).tokens
      if (one === undefined) assert.fail('no sample')
      const tokens = ['a', 'b'].map(id => ({ ...one, name: id, id }))
      await taken(store, { documents: { access: { ...EMPTY.access, tokens } } })
      store.saveUses({ a: 10, b: 20, stranger: 30 })
      store.saveUses({ a: 11, b: 19 })
      assert.deepEqual(await store.readUses(), { a: 11, b: 20 })
      store.saveUses({ a: 10, b: 21 })
      assert.deepEqual(await store.readUses(), { a: 11, b: 21 })
      await taken(store, { documents: { access: { ...EMPTY.access, tokens: tokens.slice(1) } } })
      store.saveUses({})
      assert.deepEqual(await store.readUses(), { b: 21 })
    },
  },
  {
    title: 'revisions of the definitions are kept, newest first, each as it was',
    async run(open) {
      await using store = await open()
      for (const n of [1, 2, 4, 5]) {
        const by = `admin-${n}`
        if (n === 4) await taken(store, { documents: { holds: holds(3) } })
        await taken(store, { documents: { definitions: definitions(n) }, at: n * 10, by })
      }
      const row = (n: number) => ({ revision: n, at: n * 10, by: `admin-${n}` })
      assert.deepEqual(await store.history({ limit: 10 }), [5, 4, 2, 1].map(row))
      assert.deepEqual(await store.history({ limit: 2 }), [5, 4].map(row))
      assert.deepEqual(await store.history({ before: 4, limit: 10 }), [2, 1].map(row))
      assert.deepEqual(await store.history({ before: 1, limit: 10 }), [])
      assert.deepEqual(await store.history({ limit: 0 }), [])
      for (const n of [1, 2, 4, 5]) assert.deepEqual(await store.definitionsAt(n), definitions(n))
      for (const n of [0, 3, 6]) assert.equal(await store.definitionsAt(n), undefined)
    },
  },
  {
    title: 'disposing writes down what waited, and the store opened again goes on from there',
    async run(open) {
      const before = await open()
      await taken(before, { documents: values(1), facts: [draft('x')], audit: asked(1) })
      await taken(before, { documents: { holds: holds(2) } })
      before.append([local(1)])
      before.saveBeats(beats(1))
      before.saveUses({ abc: 7 })
      before.saveCursors({ ops: 'a-boot-0' })
      before.saveCursors({ ops: 'a-boot-1' })
      const documents = await before.read()
      const events = await before.events({ limit: 10 })
      await before[Symbol.asyncDispose]()
      await before[Symbol.asyncDispose]()
      const late = await write(before, { documents: values(3), audit: asked(3) })
      assert.equal(late.kind === 'refusal' && late.code, 'store_unavailable')
      before.saveUses({ abc: 9 })
      before.saveBeats(new Map())
      before.append([local(2)])

      await using after = await open()
      assert.deepEqual(await after.read(), documents)
      assert.deepEqual(ids(await after.events({ limit: 10 })), ['1-1', 'a-boot-1'])
      assert.deepEqual(await after.events({ limit: 10 }), events)
      assert.deepEqual(ids(await after.events({ after: '1-1', limit: 10 })), ['a-boot-1'])
      assert.deepEqual(await after.readBeats(), beats(1))
      assert.deepEqual(await after.readUses(), { abc: 7 })
      assert.deepEqual(await after.readCursors(), { ops: 'a-boot-1' })
      assert.deepEqual(await after.definitionsAt(1), definitions(1))
      const next = await taken(after, { expect: { holds: 2, liveness: 1 }, facts: [draft('y')], audit: asked(3) })
      assert.deepEqual(ids(next.facts), ['3-1'])
      const first = record(1, NOTHING_BEFORE, 1)
      assert.deepEqual((await after.audit({ limit: 10 })).links, [first, record(2, first.hash, 3)])
    },
  },
]

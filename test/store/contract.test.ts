/** The contract tried on stores that are wrong on purpose: a check that lets them pass would prove nothing about the right ones. */
import { test } from 'tap'
import type { Store, Values, WriteResult } from '../../src/core/store.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { handClock } from '../support/hand-clock.ts'
import { contract } from './contract.ts'
import { CLUSTER } from './samples.ts'

const names = ['definitions', 'holds', 'liveness', 'access']
const STALE = 'a write that expects an older revision of'

const wrong: readonly {
  readonly store: string
  readonly wrap: (store: Store) => Partial<Store>
  /** How the titles of the checks begin that must find it. */
  readonly found: readonly string[]
}[] = [
  {
    store: 'does not compare what is expected',
    wrap: store => ({ write: write => store.write({ ...write, expect: {} }) }),
    found: [
      ...names.map(name => `${STALE} ${name}`),
      'one stale document among several',
      'a document that is expected and not written',
      'of writes asked for at once',
      'no change is lost',
    ],
  },
  {
    store: 'takes the documents of a write one by one',
    wrap: store => ({
      async write({ expect, documents, facts, ...rest }) {
        for (const [name, value] of Object.entries(documents)) {
          const revision = expect[name as keyof Values]
          const one = { expect: revision === undefined ? {} : { [name]: revision }, documents: { [name]: value } }
          const result: WriteResult = await store.write({ ...rest, ...one, facts: [] })
          if (result.kind !== 'written') return result
        }
        return store.write({ ...rest, expect: {}, documents: {}, facts })
      },
    }),
    found: ['a write is answered', 'one counter', 'one stale document among several', 'a document that is expected'],
  },
  {
    store: 'forgets the facts of a write',
    wrap: store => ({ write: write => store.write({ ...write, facts: [] }) }),
    found: [
      'a write is answered',
      'one counter',
      `${STALE} liveness`,
      `${STALE} access`,
      'facts come back',
      'events are read',
      'disposing',
    ],
  },
  {
    store: 'forgets what a replica tells',
    wrap: () => ({ append() {} }),
    found: ['facts come back', 'events are read', 'kind and subject', 'disposing'],
  },
  {
    store: 'forgets who asked',
    wrap: store => ({ write: ({ audit: _, ...write }) => store.write(write) }),
    found: ['a write that was asked for', 'audit records are read', 'disposing'],
  },
  {
    store: 'writes down who asked in a step of its own',
    wrap: store => ({
      async write({ audit, ...write }) {
        if (audit) await store.write({ expect: {}, documents: {}, facts: [], at: 1, by: 'system', audit })
        return store.write(write)
      },
    }),
    found: [...names.map(name => `${STALE} ${name}`), 'disposing'],
  },
  {
    store: 'binds each audit record to the first',
    wrap: store => ({
      async audit(query) {
        const { anchor, links } = await store.audit(query)
        return { anchor, links: links.map(link => ({ ...link, previous: anchor.hash })) }
      },
    }),
    found: ['a write that was asked for', 'disposing'],
  },
  {
    store: 'numbers its audit records by position in the answer',
    wrap: store => ({
      async audit(query) {
        const { anchor, links } = await store.audit(query)
        return { anchor, links: links.map((link, i) => ({ ...link, seq: i + 1 })) }
      },
    }),
    found: ['audit records are read'],
  },
  {
    store: 'keeps every use of every token',
    wrap: store => {
      let all = {}
      return {
        readUses: async () => all,
        saveUses(uses) {
          store.saveUses(uses)
          all = { ...all, ...uses }
        },
      }
    },
    found: ['the later use'],
  },
  {
    store: 'has no past',
    wrap: () => ({ history: async () => [], definitionsAt: async () => undefined }),
    found: ['revisions of the definitions', 'disposing'],
  },
  {
    store: 'always answers with the newest events',
    wrap: store => ({ events: ({ after: _, ...query }) => store.events(query) }),
    found: ['events are read page by page', 'after an event that is not known'],
  },
]

for (const { store: what, wrap, found } of wrong) {
  test(`the contract finds a store that ${what}`, async t => {
    const failed: string[] = []
    for (const { title, run } of contract) {
      const path = `${t.testdir()}/gatepool.db`
      const open = async () => {
        const store = await openEmbeddedStore({ path, cluster: CLUSTER, clock: handClock() })
        return { ...store, ...wrap(store) }
      }
      await run(open).catch(() => failed.push(title))
    }
    for (const start of found)
      t.ok(
        failed.some(title => title.startsWith(start)),
        start,
      )
  })
}

import { test } from 'tap'
import { beat, type Change, evaluation, seed } from '../../src/core/changes.ts'
import type { Announcement, World } from '../../src/core/nouns.ts'
import { EMPTY } from '../../src/core/store.ts'
import { beatsOf, define, down, drained, type Known, returning, START, up, worldOf } from '../support/world.ts'

const NOW = START + 1_000
const gateways = ['home', 'nas'].map(name => ({ name, address: '127.0.0.1', liveness: 'heartbeat' as const }))
const definitions = define({
  gateways,
  pools: [
    { name: 'used', members: ['home'] },
    { name: 'spare', members: ['nas'] },
  ],
  routes: [{ name: 'r', target: { pool: 'used' } }],
})

interface Hearing extends Known {
  readonly beating?: readonly string[]
}
const world = ({ beating = ['one'], ...known }: Hearing = {}): World => {
  const beats = Object.fromEntries(beating.map(name => [name, { at: NOW, said: { state: 'ready' as const } }]))
  return worldOf(definitions, { ...known, sight: { beats: beatsOf({ home: beats }) } })
}
const says = (state: Announcement['state'], instance = 'one') => beat('home', instance, { state })

/** What a change makes of home, in a few words. */
function outcome(change: Change, before: World) {
  const proposal = change(before, NOW)
  if (proposal === null) return 'nothing'
  if ('kind' in proposal) return proposal.code
  const { liveness, holds } = proposal.documents
  return {
    ...(liveness && { record: liveness.gateways.home }),
    ...(holds && { held: (holds.gateways.home ?? []).map(({ reason, holder }) => `${reason} by ${holder}`) }),
    facts: proposal.facts.map(({ kind }) => kind),
  }
}

test('a ready beat of a gateway that is up changes nothing', t => {
  t.equal(outcome(says('ready'), world({ records: { home: up } })), 'nothing')
  t.equal(outcome(says('ready'), world({ records: { home: returning() } })), 'nothing')
  t.end()
})

test('the first beat makes it alive, one after it was down starts the cooldown', t => {
  t.strictSame(outcome(says('ready'), world()), { record: { state: 'up', since: NOW }, facts: ['first_alive'] })
  t.match(outcome(says('ready'), world({ records: { home: down } })), {
    record: { state: 'returning', went_down_at: START, returned_at: NOW, back: -1 },
    facts: ['down_to_cooldown'],
  })
  t.end()
})

test('an announced drain holds, its next ready beat releases at once', t => {
  const drain = { reason: 'drain', holder: 'one', instance: 'one', since: START } as const
  t.strictSame(outcome(says('drain'), world({ records: { home: up } })), {
    held: ['drain by one'],
    facts: ['member_held'],
  })
  t.equal(outcome(says('drain'), world({ records: { home: up }, holds: { home: [drain] } })), 'nothing')
  t.strictSame(outcome(says('ready'), world({ records: { home: up }, holds: { home: [drain] } })), {
    held: [],
    facts: ['member_released'],
  })
  t.end()
})

test('the first beat ever may announce a hold', t => {
  t.match(outcome(says('maintenance'), world()), {
    record: { state: 'up' },
    held: ['maintenance by one'],
    facts: ['member_held', 'first_alive'],
  })
  t.end()
})

const shutdown = { reason: 'shutdown', holder: 'one', instance: 'one', since: START } as const

test('after an announced shutdown the cooldown starts at the first ready beat, also under a new name', t => {
  const before = { holds: { home: [shutdown] } }
  const back = {
    record: { state: 'returning', went_down_at: START, returned_at: NOW },
    held: [],
    facts: ['member_released', 'down_to_cooldown'],
  }
  t.match(outcome(says('ready'), world({ ...before, records: { home: up } })), back)
  t.match(outcome(says('ready', 'two'), world({ ...before, records: { home: up }, beating: ['one', 'two'] })), back)
  t.match(
    outcome(says('ready'), world({ ...before, records: { home: down } })),
    back,
    'also when it was down meanwhile',
  )
  t.match(
    outcome(says('ready'), world({ ...before, records: { home: returning() } })),
    { record: { state: 'returning', returned_at: NOW }, held: [], facts: ['member_released', 'down_to_cooldown'] },
    'or beat while it shut down',
  )
  t.match(outcome(says('ready'), world(before)), { record: { state: 'up' }, held: [] }, 'but never seen is never seen')
  t.end()
})

test('while another instance serves, one that shuts down and restarts costs no cooldown', t => {
  const both = ['one', 'two']
  const proposal = says('shutdown')(world({ records: { home: up }, beating: both }), NOW)
  if (proposal === null || 'kind' in proposal) throw new Error('the shutdown was not taken')
  const holds = proposal.documents.holds?.gateways ?? {}
  t.match(holds.home, [{ instance: 'one', shared: true }])
  const during = { records: { home: up }, holds, beating: both }
  t.equal(outcome(says('ready', 'two'), world(during)), 'nothing', 'the other one beats on')
  t.strictSame(outcome(says('ready'), world(during)), { held: [], facts: ['member_released'] })
  t.equal(outcome(says('ready', 'two'), world({ ...during, beating: ['two'] })), 'nothing', 'also when we restarted')
  t.end()
})

test('when the last instance shuts down too, the gateway was out', t => {
  const first = { ...shutdown, shared: true } as const
  const during = { records: { home: up }, holds: { home: [first] }, beating: ['one', 'two'] }
  const proposal = says('shutdown', 'two')(world(during), NOW)
  if (proposal === null || 'kind' in proposal) throw new Error('the shutdown was not taken')
  const holds = proposal.documents.holds?.gateways ?? {}
  t.notOk(holds.home?.at(-1)?.shared)
  t.match(outcome(says('ready'), world({ ...during, holds })), { record: { state: 'returning' } })
  t.end()
})

test('a beat lifts what its instance announced, never what an administrator set', t => {
  const admins = [
    { ...drained, holder: 'one' },
    { ...drained, holder: 'ops', reason: 'shutdown' as const },
    { ...drained, holder: 'ops', instance: 'one' },
  ]
  t.equal(outcome(says('ready'), world({ records: { home: up }, holds: { home: admins } })), 'nothing')
  t.match(outcome(says('ready'), world({ records: { home: up }, holds: { home: [...admins, shutdown] } })), {
    held: ['drain by one', 'shutdown by ops', 'drain by ops'],
  })
  t.end()
})

test('a beat of a gateway that is deleted meanwhile changes nothing', t => {
  t.equal(outcome(beat('gone', 'one', { state: 'ready' }), world()), 'nothing')
  t.equal(outcome(beat('gone', 'one', { state: 'drain' }), world()), 'nothing')
  t.end()
})

test('time alone moves records and lifts holds, in one proposal', t => {
  const late = (known: Known) => worldOf(definitions, { ...known, sight: { observing_since: START - 1e6 } })
  t.equal(outcome(evaluation, late({ records: { home: down } })), 'nothing')
  t.strictSame(outcome(evaluation, late({ records: { home: up }, holds: { home: [{ ...drained, until: NOW }] } })), {
    record: { state: 'down', since: NOW },
    held: [],
    facts: ['gateway_down', 'member_released'],
  })
  t.end()
})

test('definitions are seeded once', t => {
  const empty = { ...world(), definitions: { revision: 0, value: EMPTY.definitions } }
  t.match(seed(definitions)(empty, NOW), {
    documents: { definitions },
    facts: [
      { kind: 'definitions_changed', changed: ['gateway:home', 'gateway:nas', 'pool:used', 'pool:spare', 'route:r'] },
    ],
  })
  t.equal(seed(definitions)(world(), NOW), null)
  t.end()
})

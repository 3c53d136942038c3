/** Which step between two snapshots ends a long connection. */
import { test } from 'tap'
import type { z } from 'zod'
import type { definitions } from '../../src/config/definitions.ts'
import { NO_POOL } from '../../src/core/homes.ts'
import type { PassiveRecord, Snapshot, Upstream } from '../../src/core/nouns.ts'
import { type SessionPlace, sessionEnd } from '../../src/core/sessions.ts'
import { buildSnapshot } from '../../src/core/snapshot.ts'
import { beatsOf, define, down, drained, type Known, returning, START, up, worldOf } from '../support/world.ts'

type Sessions = z.input<typeof definitions>['pools'] extends readonly (infer P)[] | undefined
  ? P extends { sessions?: infer S }
    ? S
    : never
  : never

const CLOSE = { on_down: 'close', on_drain: 'close', on_failback: 'close' } as const

/** Snapshots of one pool of a and b, with routes of HTTP and of TCP to it, and one of each that is pinned to a. */
function world(sessions: Sessions, mode: 'failover' | 'load_balancing' = 'failover') {
  const gateways = ['a', 'b', 'c'].map(name => ({ name, address: '10.0.0.1', liveness: 'heartbeat' as const }))
  const tcp = { protocol: 'tcp', listen: '127.0.0.1:1', gateway_port: 22 } as const
  const value = define({
    gateways,
    pools: [{ name: 'p', mode, members: ['a', 'b'], sessions }],
    routes: [
      { name: 'web', target: { pool: 'p' } },
      { name: 'ssh', ...tcp, target: { pool: 'p' } },
      { name: 'pin', match: { path: '/a' }, target: { gateway: 'a' } },
      { name: 'alone', match: { path: '/c' }, target: { gateway: 'c' } },
    ],
  })
  return (known: Known): Snapshot => buildSnapshot(worldOf(value, known), null, 'all')
}

function to(gateway: string, target = 'pool:p', pool = 'p'): SessionPlace {
  const port = target.includes('@') ? 22 : 8080
  const upstream: Upstream = { key: `${pool}/${gateway}/10.0.0.1:${port}`, pool, gateway, address: '10.0.0.1', port }
  return { target, upstream }
}

const both: Known = { records: { a: up, b: up, c: up } }
const without: Known = { records: { a: down, b: up, c: down } }
const held: Known = { ...both, holds: { a: [drained] } }
const ejected: PassiveRecord = {
  kind: 'ejected',
  since: START,
  until: START + 30_000,
  reason: 'reset',
  history: { times: 1, forget_at: 0 },
}
const put: Known = { ...both, sight: { passive: { 'p/a/10.0.0.1:8080': ejected } } }
const cooling: Known = { records: { a: returning(), b: up, c: up } }

const table: readonly [title: string, before: Known, after: Known, place: SessionPlace, end: string | null][] = [
  ['its member goes down', both, without, to('a'), 'down'],
  ['another member goes down', both, without, to('b'), null],
  ['its member is ejected', both, put, to('a'), 'down'],
  ['its member is ejected on another port', both, put, to('a', 'pool:p@22'), null],
  ['its member goes down, for TCP', both, without, to('a', 'pool:p@22'), 'down'],
  ['its member was down already', without, without, to('a'), null],
  ['its member was ejected and goes down', put, without, to('a'), null],
  ['its member is drained', both, held, to('a'), 'drain'],
  ['its member is drained, for TCP', both, held, to('a', 'pool:p@22'), 'drain'],
  ['another member is drained', both, held, to('b'), null],
  ['its member was drained already', held, held, to('a'), null],
  ['its member is free again', held, both, to('a'), null],
  ['the first is back', without, both, to('b'), 'failback'],
  ['the first is back, for TCP', without, both, to('b', 'pool:p@22'), 'failback'],
  ['the first is back, which it leads to', without, both, to('a'), null],
  ['the first is on its way back', without, cooling, to('b'), null],
  ['the first is back for a route that is pinned to it', without, both, to('b', 'gateway:a'), 'failback'],
  ['the first goes down, and it leads to the next', both, without, to('b', 'gateway:a'), null],
  ['nothing of this is about it', both, both, to('a'), null],
  ['a gateway that is in no pool goes down', both, without, to('c', 'gateway:c', NO_POOL), null],
]

test('with close', async t => {
  const at = world(CLOSE)
  for (const [title, before, after, place, end] of table) t.equal(sessionEnd(at(before), at(after), place), end, title)
})

test('as it is without a word everything is kept', async t => {
  const at = world({})
  for (const [title, before, after, place] of table) t.equal(sessionEnd(at(before), at(after), place), null, title)
})

test('each setting is about one thing', async t => {
  for (const [setting, end] of [
    ['on_down', 'down'],
    ['on_drain', 'drain'],
    ['on_failback', 'failback'],
  ] as const) {
    const at = world({ [setting]: 'close' })
    for (const [title, before, after, place, expected] of table)
      t.equal(sessionEnd(at(before), at(after), place), expected === end ? end : null, `${setting}: ${title}`)
  }
})

test('load balancing knows no failback', async t => {
  const at = world(CLOSE, 'load_balancing')
  t.equal(sessionEnd(at(without), at(both), to('b')), null)
  t.equal(sessionEnd(at(both), at(without), to('a')), 'down')
})

test('one instance of a gateway is drained', async t => {
  const at = world(CLOSE)
  const instance = (name: string): SessionPlace => {
    const { target, upstream } = to('a')
    return { target, upstream: { ...upstream, instance: name } }
  }
  const beat = { at: START, said: { state: 'ready' as const } }
  const two: Known = { ...both, sight: { beats: beatsOf({ a: { i1: beat, i2: beat } }) } }
  const one: Known = { ...two, holds: { a: [{ ...drained, instance: 'i1' }] } }
  t.equal(sessionEnd(at(two), at(one), instance('i1')), 'drain')
  t.equal(sessionEnd(at(two), at(one), instance('i2')), null)
})

test('what it led to is gone from the definitions: it is kept', async t => {
  const at = world(CLOSE)
  t.equal(sessionEnd(at(both), at(both), to('x', 'pool:y', 'y')), null)
})

import { test } from 'tap'
import type { Liveness } from '../../src/core/nouns.ts'
import { createState } from '../../src/state.ts'
import { type Ticket, WaitingRoom } from '../../src/traffic/waiting.ts'
import { define, down, livenessOf, START, up, worldOf } from '../support/world.ts'

const attempt = { hold: 10_000, full: false, pool: 'p' }

/** A room in front of a pool of one gateway that beats, and is down. */
function stage() {
  const definitions = define({
    gateways: [{ name: 'a', address: '127.0.0.1', liveness: 'heartbeat' }],
    pools: [{ name: 'p', members: ['a'], on_all_down: { action: 'hold' } }],
    routes: [
      { name: 'web', target: { pool: 'p' } },
      { name: 'pinned', match: { path: '/a' }, target: { gateway: 'a' } },
    ],
  })
  const onError = (error: unknown) => {
    throw error
  }
  const state = createState({ world: worldOf(definitions), cluster: 'test', replica: 'one', boot: 'b', onError })
  let revision = 1
  const know = async (record: Liveness['gateways'][string]) => {
    const liveness = { revision: ++revision, value: livenessOf({ a: record }) }
    state.apply({ kind: 'committed', documents: { liveness }, facts: [], at: START })
    // Changes are told at the end of the turn.
    await Promise.resolve()
  }
  const room = new WaitingRoom(state)
  const gone: number[] = []
  const tickets: (Ticket | null)[] = []
  const join = (n: number, target = 'pool:p') => {
    tickets[n] = room.wait(null, attempt, target, 0, () => gone.push(n))
    return tickets[n]
  }
  return {
    room,
    know,
    join,
    /** Who has been let go since it was asked last. */
    gone: () => gone.splice(0),
    async answered(n: number) {
      room.leave(tickets[n] as Ticket, true)
      await Promise.resolve()
    },
    ticket: (n: number) => tickets[n] as Ticket,
    [Symbol.dispose]: () => room[Symbol.dispose](),
  }
}

test('nobody is let go while nobody is there; then the first, and with each answer twice as many', async t => {
  using it = stage()
  await it.know(down)
  for (let n = 0; n < 20; n++) it.join(n)
  it.room.sweep()
  t.strictSame(it.gone(), [])
  await it.know(up)
  t.strictSame(it.gone(), [0], 'one finds out')
  await it.answered(0)
  t.strictSame(it.gone(), [1, 2])
  await it.answered(2)
  t.strictSame(it.gone(), [3, 4, 5, 6])
  it.room.sweep()
  t.strictSame(it.gone(), [7, 8, 9, 10, 11, 12, 13, 14], 'a slow answer holds nobody up for long')
})

test('one that finds nobody again goes back to its place, and the next goes alone', async t => {
  using it = stage()
  await it.know(up)
  for (let n = 0; n < 6; n++) it.join(n)
  it.room.sweep()
  it.room.sweep()
  t.strictSame(it.gone(), [0, 1, 2])
  const again = (n: number) => it.room.wait(it.ticket(n), attempt, 'pool:p', 5_000, () => undefined)
  t.equal(again(1), it.ticket(1))
  t.equal(it.ticket(1).until, 10_000, 'it has no more time than before')
  again(0)
  again(2)
  for (let n = 0; n < 3; n++) it.room.sweep()
  t.strictSame(it.gone(), [0, 1, 2, 3, 4, 5])
})

test('at most 1,000 of a pool have a place, by whichever plan, until they are answered or leave', async t => {
  using it = stage()
  await it.know(down)
  for (let n = 0; n < 999; n++) if (it.join(n) === null) t.fail(`no place for ${n}`)
  t.ok(it.join(999, 'gateway:a'))
  t.equal(it.join(1000), null)
  t.equal(it.join(1000, 'gateway:a'), null)
  it.room.leave(it.ticket(5), false)
  t.ok(it.join(1000))
  t.equal(it.join(1001), null)
  await it.know(up)
  t.strictSame(it.gone(), [0, 999])
  t.equal(it.join(1001), null, 'those that try still have their place')
  await it.answered(0)
  t.ok(it.join(1001))
})

test('neither a pool without a hold nor a full one is waited for, but whoever waited waits on for a full one', t => {
  using it = stage()
  const wait = (ticket: Ticket | null, how: Partial<typeof attempt>) =>
    it.room.wait(ticket, { ...attempt, ...how }, 'pool:p', 0, () => undefined)
  t.equal(wait(null, { hold: 0 }), null)
  t.equal(wait(null, { full: true }), null)
  const ticket = wait(null, {})
  it.room.sweep()
  t.equal(wait(ticket, { full: true }), ticket)
  t.equal(wait(ticket, { hold: 0 }), null, 'its pool has changed its mind')
  t.end()
})

/** What protocols have in common when they go to the same members. */
import { test } from 'tap'
import { realClock } from '../../src/clock.ts'
import { createState } from '../../src/state.ts'
import { createTraffic } from '../../src/traffic/traffic.ts'
import { webListener } from '../support/engine.ts'
import { tcpPool } from '../support/l4.ts'
import { RawPeer, until } from '../support/raw-peer.ts'
import { answering, ok, rawMembers, type Script } from '../support/raw-upstream.ts'
import { define, worldOf } from '../support/world.ts'

const echo: Script = peer => {
  peer.socket.pipe(peer.socket)
}
const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'

/** A member that speaks HTTP on one port and echoes on another, behind an HTTP listener and a TCP route. */
async function stage(pool: NonNullable<Parameters<typeof tcpPool>[2]>['pool'] = {}) {
  const [web] = await rawMembers(answering(ok('hello')))
  const [tcp] = await rawMembers(echo)
  if (web === undefined || tcp === undefined) throw new Error('no members')
  const written = tcpPool(['a'], tcp.port, { pool })
  const gateways = (written.gateways ?? []).map(gateway => ({ ...gateway, http_port: web.port }))
  const routes = [...(written.routes ?? []), { name: 'web', target: { pool: 'all' } }]
  const clock = realClock()
  const world = worldOf(define({ ...written, gateways, routes }), { sight: { observing_since: clock.now() } })
  const onError = (error: unknown) => {
    throw error
  }
  const state = createState({ world, cluster: 'test', replica: 'one', boot: 'b', onError })
  const traffic = createTraffic({ state, clock, random: Math.random, access: null, warn: () => undefined })
  const refused = await traffic.apply([webListener()])
  if (refused !== null) throw new Error(refused.detail)
  const to = (name: string) => {
    const { address = '' } = traffic.listeners().find(one => one.name === name) ?? {}
    return RawPeer.to(Number(address.slice(address.lastIndexOf(':') + 1)))
  }
  return {
    web,
    tcp,
    to,
    inFlight: () => traffic.inFlight('all', 'a'),
    async ask() {
      const client = await to('web')
      client.send(request)
      return client
    },
    async [Symbol.asyncDispose]() {
      traffic.close()
      await until(() => traffic.inFlight('all', 'a') === 0, 'nothing runs any more')
      for (const member of [web, tcp]) await member[Symbol.asyncDispose]()
    },
  }
}

test('a member that is full of TCP connections is full for HTTP, and the other way round', async t => {
  await using it = await stage({ max_connections: 1 })
  const tcp = await it.to('tcp')
  tcp.send('x')
  t.equal(await tcp.text('x'), 'x')
  const full = await (await it.ask()).answer()
  t.equal(full.status, 503)
  t.equal(full.field('retry-after'), '1')
  t.match(full.body, 'pool_full')
  tcp.close()
  await until(() => it.inFlight() === 0, 'it has left')
  t.equal((await (await it.ask()).answer()).status, 200)
})

test('those that wait for a pool are counted together, whatever they speak', async t => {
  await using it = await stage({ on_all_down: { action: 'hold', hold: '60s' } })
  await it.web[Symbol.asyncDispose]()
  await it.tcp[Symbol.asyncDispose]()
  const waiting: RawPeer[] = []
  for (let i = 0; i < 1000; i++) waiting.push(await it.to('tcp'))
  const open = () => waiting.filter(({ ending }) => ending === 'open').length
  t.equal((await (await it.ask()).answer()).status, 503, 'a request more does not wait')
  t.equal(open(), 1000)
  for (const peer of waiting) peer.close()
})

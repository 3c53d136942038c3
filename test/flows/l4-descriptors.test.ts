/** A process that may open few files, and more clients than that. */
import { spawnSync } from 'node:child_process'
import { test } from 'tap'
import { stringify } from 'yaml'
import { type Datagrams, datagrams } from '../support/datagrams.ts'
import { runProgram } from '../support/program.ts'
import { RawPeer } from '../support/raw-peer.ts'
import { rawUpstreamAt } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'

/** Files that may be open, and clients of each route: a connection takes two. */
const FILES = 100
const CLIENTS = 150

const able = spawnSync('prlimit', ['--version']).status === 0
const skip = able ? false : 'needs prlimit (util-linux)'

test('without descriptors connections are closed and datagrams dropped; with them all is as before', {
  skip,
}, async t => {
  await using streams = await rawUpstreamAt('127.0.0.2', 0, peer => void peer.socket.pipe(peer.socket))
  await using replies = await datagrams('127.0.0.2', 0, text => text)
  const route = (protocol: string, port: number) => ({
    name: protocol,
    protocol,
    listen: '127.0.0.1:0',
    gateway_port: port,
    target: { gateway: 'a' },
  })
  const written = {
    version: 1,
    admin: { listen: '127.0.0.1:0' },
    gateways: [{ name: 'a', address: '127.0.0.2' }],
    routes: [route('tcp', streams.port), route('udp', replies.port)],
  }
  const program = await runProgram(t, stringify(written))
  t.equal(spawnSync('prlimit', ['--pid', `${program.pid}`, `--nofile=${FILES}:${FILES}`]).status, 0)
  const port = (name: string) => Number(new URL(program.url[name] ?? '').port)

  /** Are they answered, or let go? */
  const visit = async (): Promise<RawPeer | null> => {
    const peer = await RawPeer.to(port('tcp'))
    peer.send('x')
    const came = await peer.text('x').catch(() => '')
    return came === 'x' ? peer : null
  }
  const visitors = (await Promise.all(Array.from({ length: CLIENTS }, visit))).filter(one => one !== null)
  t.ok(visitors.length > 10 && visitors.length < FILES / 2, `${visitors.length} of ${CLIENTS} were served`)
  for (const visitor of visitors) {
    visitor.send('y')
    t.equal(await visitor.text('y'), 'y', 'whoever was served goes on')
    visitor.close()
  }
  await until('one is served again', async () => {
    const peer = await visit()
    peer?.close()
    return peer !== null
  })

  const senders: Datagrams[] = []
  for (let i = 0; i < CLIENTS; i++) senders.push(await datagrams())
  for (const sender of senders) sender.send('x', port('udp'))
  const answered = () => senders.filter(({ received }) => received.length > 0)
  await until('some are answered', async () => answered().length > 10)
  const [first] = answered()
  first?.received.splice(0)
  first?.send('again', port('udp'))
  t.equal(await first?.next(), 'again')
  for (const sender of senders) sender.close()
  program.signal('SIGTERM')
  t.match(await program.ended, { code: 0 })
})

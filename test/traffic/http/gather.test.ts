/** Many small requests at once: what is written for them in one turn leaves together, and still each gets its own. */
import { once } from 'node:events'
import { Agent, createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import { MANY, MOST_GATHERED } from '../../../src/traffic/gather.ts'
import { startPool } from '../../support/engine.ts'
import { listening } from '../../support/origin.ts'
import { within } from '../../support/raw-peer.ts'

/** At once; a turn in which they all come is one with much to gather. */
const CLIENTS = 3 * MANY
const ROUNDS = 20

/** Answers all that wait once there are `CLIENTS` of them, each with its own target as often as it asks for. */
async function together() {
  let waiting: [IncomingMessage, ServerResponse][] = []
  const server = createServer((request, response) => {
    waiting.push([request, response])
    if (waiting.length < CLIENTS) return
    const all = waiting
    waiting = []
    for (const [{ url = '' }, answer] of all) {
      const body = url.repeat(Number(url.split('/')[1]))
      answer.setHeader('content-length', body.length).end(body)
    }
  })
  server.keepAliveTimeout = 60_000
  return listening(server)
}

test('each client gets its own answer, small or not, on connections that stay and on others', async t => {
  await using upstream = await together()
  await using engine = await startPool([upstream.port])
  const wrong: string[] = []
  const client = async (n: number) => {
    const agent = new Agent({ keepAlive: n % 5 !== 0, maxSockets: 1 })
    for (let round = 0; round < ROUNDS; round++) {
      // Around the size up to which answers are gathered, now and then.
      const times = n % 7 === 0 ? Math.floor(MOST_GATHERED / 8) + round : 1 + (round % 3)
      const path = `/${times}/${n}/${round}/`
      const [message] = (await within(
        once(get({ agent, port: engine.port, host: '127.0.0.1', path }), 'response'),
        'an answer',
      )) as [IncomingMessage]
      const body = await text(message)
      if (body !== path.repeat(times)) wrong.push(`${path}: ${body.slice(0, 80)}, ${body.length} bytes`)
    }
    agent.destroy()
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, n) => client(n)))
  t.strictSame(wrong, [])
})

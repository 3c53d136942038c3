/**
 * A gateway of the demo: a process of its own, so that it can be killed. It answers HTTP with who it is and what the proxy told it, and
 * beats. Its environment says who it is (`GATEWAY_NAME`), where it listens (`GATEWAY_HOST`, `GATEWAY_PORT`, 0 is any free port) and with which
 * token it beats (`GATEPOOL_TOKEN`); by its channel to the demo it tells its port, and hears where to beat.
 */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { parseDuration } from '../config/units.ts'

/** Ms to the next beat after one that was not taken. */
const AGAIN = 500
/** Ms that a beat may take. */
const BEAT_TIMEOUT = 2_000

const {
  GATEWAY_NAME: name = 'gateway',
  GATEWAY_HOST: host = '127.0.0.1',
  GATEWAY_PORT: port = '0',
  GATEPOOL_TOKEN: token = '',
} = process.env

// The demo has ended, in whatever way and maybe already: nobody is left to end this process.
const end = () => process.exit()
process.on('disconnect', end)
if (process.connected === false) end()

const server = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'x-served-by': name }).end(words(request))
})
server.listen({ host, port: Number(port) }, () => {
  process.send?.({ port: (server.address() as AddressInfo).port })
})
process.once('message', ({ admin }: { admin: string }) => void beat(`${admin}/api/v1/gateways/${name}/heartbeat`))

function words({ method, url, headers }: IncomingMessage): string {
  const told = Object.entries(headers).filter(([field]) => field === 'host' || field.startsWith('x-forwarded-'))
  return [
    `${name} (process ${process.pid}) at ${new Date().toISOString()}`,
    `${method} ${url}`,
    ...told.map(([field, value]) => `${field}: ${value}`),
    '',
  ].join('\n')
}

/** Beats for as long as the process lives, as often as the answers ask for. */
async function beat(url: string): Promise<never> {
  const body = JSON.stringify({ instance: `${name}-${process.pid}`, state: 'ready' })
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  for (;;) {
    let wait = AGAIN
    try {
      const answer = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(BEAT_TIMEOUT) })
      const { interval } = (await answer.json()) as { readonly interval?: string }
      if (interval !== undefined) wait = parseDuration(interval)
    } catch {
      // A beat that was lost is followed by the next one.
    }
    await pause(wait)
  }
}

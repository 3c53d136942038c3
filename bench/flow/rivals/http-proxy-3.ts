import { Agent, createServer, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { createProxyServer } from 'http-proxy-3'
import manifest from 'http-proxy-3/package.json' with { type: 'json' }
import { HTTP_FRONTS, type Rival } from './rival.ts'

/** As its manual sets it up, with connections kept. It knows nothing of dead targets: of two, each request goes to the next one. */
export const httpProxy3: Rival = {
  name: 'http-proxy-3',
  fronts: HTTP_FRONTS,
  version: () => `http-proxy-3 ${manifest.version}, Node ${process.versions.node}`,
  prepare: ({ ports: { single, pair }, upstream, dead }) => ({
    file: process.execPath,
    args: [import.meta.filename, ...[single, pair, upstream, dead].map(String)],
    env: { NODE_ENV: 'production' },
  }),
}

if (import.meta.main) {
  const [single = 0, pair = 0, upstream = 0, dead = 0] = process.argv.slice(2).map(Number)
  listen(single, [upstream])
  listen(pair, [dead, upstream])
}

function listen(port: number, upstreams: readonly number[]): void {
  const agent = new Agent({ keepAlive: true })
  const proxies = upstreams.map(upstream =>
    createProxyServer({ target: { host: '127.0.0.1', port: upstream }, agent, ws: true, xfwd: true }).on(
      'error',
      onError,
    ),
  )
  let turn = 0
  const next = () => proxies[turn++ % proxies.length]
  const server = createServer((request, response) => next()?.web(request, response))
  server.on('upgrade', (request, socket, head) => next()?.ws(request, socket, head))
  server.listen({ host: '127.0.0.1', port, backlog: 4096 })
}

/** Without a listener for errors it would end with the first client that leaves. */
function onError(_error: Error, _request: unknown, answer: ServerResponse | Socket): void {
  if (answer instanceof ServerResponse && !answer.headersSent) answer.writeHead(502).end()
  else answer.destroy()
}

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { BalancedPool, type Dispatcher, Pool } from 'undici'
import manifest from 'undici/package.json' with { type: 'json' }
import { HTTP_FRONTS, type Rival } from './rival.ts'

/** node:http towards clients and undici towards the upstream, by the cheapest of undici's calls: what most would write by hand. */
export const undici: Rival = {
  name: 'undici',
  fronts: HTTP_FRONTS,
  version: () => `node:http with undici ${manifest.version}, Node ${process.versions.node}`,
  prepare: ({ ports: { single, pair }, upstream, dead }) => ({
    file: process.execPath,
    args: [import.meta.filename, ...[single, pair, upstream, dead].map(String)],
    env: { NODE_ENV: 'production' },
  }),
}

if (import.meta.main) {
  const [single = 0, pair = 0, upstream = 0, dead = 0] = process.argv.slice(2).map(Number)
  const origin = (port: number) => `http://127.0.0.1:${port}`
  listen(single, new Pool(origin(upstream), { connections: 128 }))
  listen(pair, new BalancedPool([origin(dead), origin(upstream)], { connections: 128 }))
}

function listen(port: number, upstream: Dispatcher): void {
  const server = createServer((request, response) => forward(upstream, request, response))
  server.on('upgrade', (request, socket, head) => tunnel(upstream, request, socket, head))
  server.listen({ host: '127.0.0.1', port, backlog: 4096 })
}

/** Fields of the connection, not of the message (RFC 9110 section 7.6.1). */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'transfer-encoding', 'upgrade'])

/** Name, value, name, value. */
function upstreamFields({ rawHeaders, socket }: IncomingMessage): string[] {
  const fields: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name = '', value = ''] = [rawHeaders[i], rawHeaders[i + 1]]
    if (!HOP_BY_HOP.has(name.toLowerCase())) fields.push(name, value)
  }
  fields.push('X-Forwarded-For', socket.remoteAddress ?? '')
  return fields
}

function forward(upstream: Dispatcher, request: IncomingMessage, response: ServerResponse): void {
  const { method = 'GET', url: path = '/' } = request
  const hasBody = request.headers['content-length'] !== undefined
  upstream.dispatch(
    { method, path, headers: upstreamFields(request), body: hasBody ? request : null },
    {
      onRequestStart(controller) {
        response.on('close', () => {
          if (!response.writableFinished) controller.abort(new Error('the client left'))
        })
        response.on('drain', () => controller.resume())
      },
      onResponseStart(_controller, status, fields) {
        for (const name of HOP_BY_HOP) delete fields[name]
        response.writeHead(status, fields)
      },
      onResponseData(controller, chunk) {
        if (!response.write(chunk)) controller.pause()
      },
      onResponseEnd() {
        response.end()
      },
      onResponseError() {
        if (response.headersSent) response.destroy()
        else response.writeHead(502).end()
      },
    },
  )
}

function tunnel(upstream: Dispatcher, request: IncomingMessage, client: Duplex, head: Buffer): void {
  client.on('error', () => client.destroy())
  upstream.upgrade({ path: request.url ?? '/', protocol: 'websocket', headers: upstreamFields(request) }).then(
    ({ headers, socket }) => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
      client.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`)
      socket.on('error', () => client.destroy())
      socket.write(head)
      client.pipe(socket).pipe(client)
    },
    () => client.destroy(),
  )
}

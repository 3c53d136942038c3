/** The page for Prometheus without a token, on a listener of its own: whoever reaches it may read it, and nothing else is there. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Of the page, in the text format 0.0.4 of Prometheus. */
export const PAGE_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** Connections at once, and ms that one may take. */
const MOST_CONNECTIONS = 32
const REQUEST_TIMEOUT = 10_000

export interface MetricsListener extends AsyncDisposable {
  readonly address: { readonly host: string; readonly port: number }
}

/** Rejects when it cannot listen (EADDRINUSE and the like). */
export async function serveMetrics(
  listen: { readonly host: string; readonly port: number },
  render: () => Promise<string>,
): Promise<MetricsListener> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT, headersTimeout: REQUEST_TIMEOUT })
  server.on('request', ({ url, method = '' }, response) => {
    if (url?.split('?', 1)[0] !== '/metrics') response.writeHead(404).end()
    else if (method !== 'GET' && method !== 'HEAD') response.writeHead(405, { allow: 'GET, HEAD' }).end()
    else
      render().then(
        page => response.writeHead(200, { 'content-type': PAGE_TYPE }).end(page),
        () => response.writeHead(500).end(),
      )
  })
  server.maxConnections = MOST_CONNECTIONS
  server.listen(listen)
  await once(server, 'listening')
  const { address, port } = server.address() as AddressInfo
  return {
    address: { host: address, port },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

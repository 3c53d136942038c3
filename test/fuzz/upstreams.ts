/** Upstreams that count the whole requests they were sent, each by another parser: Node's, and nginx's and HAProxy's in front of it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type DaemonName, startDaemon } from '../soak/daemon.ts'

export interface CountingUpstream extends AsyncDisposable {
  readonly name: string
  readonly port: number
  /** Requests that came, with all of their bodies. */
  readonly whole: number
  /** Why requests could not be read; that one was cut short is no reason. */
  readonly unreadable: readonly string[]
}

/** In lower case, the field by which an answer says that it is the upstream's. */
export const MARK = 'x-counted: 1'

/** Methods that Node does not know, or only as part of HTTP/2, and connections that we closed within a request. */
const EXPECTED = ['HPE_INVALID_METHOD', 'HPE_INVALID_EOF_STATE', 'ECONNRESET', 'EPIPE']
const EXPECTED_WORDS = 'Expected HTTP/2 Connection Preface'

export async function nodeUpstream(): Promise<CountingUpstream> {
  let whole = 0
  const unreadable: string[] = []
  const server = createServer(
    { maxHeaderSize: 65_536, keepAliveTimeout: 0, requestTimeout: 0 },
    (request, response) => {
      request.resume()
      request.on('error', () => undefined)
      request.on('end', () => {
        whole++
        // Behind an offer that it declines Node's parser keeps still about what it cannot read: such a connection is of no use here.
        if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false
        response.writeHead(200, { 'X-Counted': '1' }).end('counted')
      })
    },
  )
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const expected = EXPECTED.includes(error.code ?? '') || error.message.includes(EXPECTED_WORDS)
    if (!expected) unreadable.push(`${error.code}: ${error.message}`)
    socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    name: 'Node',
    port: (server.address() as AddressInfo).port,
    get whole() {
      return whole
    },
    unreadable,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** One that is installed here, or undefined. It hands on whole requests alone. */
export async function upstreamBehind(name: DaemonName): Promise<CountingUpstream | undefined> {
  await using starting = new AsyncDisposableStack()
  const behind = starting.use(await nodeUpstream())
  const configure = name === 'nginx' ? nginx : haproxy
  const daemon = await startDaemon(name, (port, folder) => configure(port, behind.port, folder))
  if (daemon === undefined) return undefined
  starting.use(daemon)
  const stack = starting.move()
  return {
    name,
    port: daemon.port,
    get whole() {
      return behind.whole
    },
    unreadable: behind.unreadable,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const nginx = (port: number, behind: number, folder: string) => `daemon off;
master_process off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log /dev/null;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder};
  proxy_temp_path ${folder};
  fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder};
  scgi_temp_path ${folder};
  keepalive_requests 1000000000;
  client_max_body_size 0;
  large_client_header_buffers 8 64k;
  upstream behind {
    server 127.0.0.1:${behind};
    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://behind;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_next_upstream off;
    }
  }
}
`

const haproxy = (port: number, behind: number) => `global
  nbthread 1
  tune.bufsize 131072
defaults
  mode http
  option http-buffer-request
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout http-request 60s
listen counted
  bind 127.0.0.1:${port}
  retries 0
  server behind 127.0.0.1:${behind}
`

/** The PROXY protocol as HAProxy and nginx speak it: in front they tell us who the client is, behind they hear it from us. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { between, freePort, HOSTS, run, startDaemon, without } from '../support/daemons.ts'
import { findProgram } from '../support/debian.ts'
import { folder } from '../support/launch.ts'
import { nginx, startNginx } from '../support/nginx.ts'
import { streamModule } from '../support/nginx-stream.ts'

const haproxy = findProgram(['haproxy'], ['haproxy'])
const curl = findProgram(['curl'], ['curl'])

/** An address that is nobody else's. */
const CLIENT = '127.0.0.77'

interface At {
  readonly host: string
  readonly port: number
}

/** A HAProxy with one listener. */
function startHaproxy(t: Test, { host, port }: At, mode: 'tcp' | 'http', bind: string, line: string) {
  const file = join(folder(t), 'haproxy.cfg')
  const timeouts = 'timeout connect 5s\n timeout client 5s\n timeout server 5s'
  writeFileSync(file, `defaults\n ${timeouts}\nlisten it\n mode ${mode}\n bind ${host}:${port} ${bind}\n ${line}\n`)
  return startDaemon(t, haproxy, ['-db', '-f', file], { host, port })
}

/** Each answers a client with the address that it was told. */
const telling = {
  haproxy: (t: Test, at: At) => {
    const answer = 'http-request return status 200 content-type text/plain lf-string %[src]'
    return startHaproxy(t, at, 'http', 'accept-proxy', answer)
  },
  nginx: (t: Test, { host, port }: At) =>
    startNginx(
      t,
      { host, port },
      { http: `server { listen ${host}:${port} proxy_protocol; return 200 $proxy_protocol_addr; }` },
    ),
}

const ask = (t: Test, port: number) =>
  run(t, curl, ['-sS', '--max-time', '5', '--interface', CLIENT, `http://127.0.0.1:${port}/`])

test('HAProxy and nginx behind us hear who the client is', { skip: without(haproxy, nginx, curl) }, async t => {
  const ports = { haproxy: await freePort(), nginx: await freePort() }
  const names = ['haproxy', 'nginx'] as const
  const [first] = await Promise.all(
    HOSTS.map(host => Promise.all(names.map(name => telling[name](t, { host, port: ports[name] })))),
  )
  const told = names.flatMap(name => ['v1', 'v2'].map(version => ({ name, version, route: `${name}-${version}` })))
  const it = await between(
    t,
    told.map(({ name, version, route }) => ({
      name: route,
      protocol: 'tcp',
      gateway_port: ports[name],
      send_proxy: version,
    })),
  )
  for (const { route } of told) t.match(await ask(t, it.port(route)), { status: 0, out: CLIENT }, route)
  await Promise.all(first?.map(({ kill }) => kill()) ?? [])
  for (const { route } of told) t.match(await ask(t, it.port(route)), { status: 0, out: CLIENT }, `${route}, the other`)
})

test('HAProxy and nginx in front of us say who the client is, and HAProxy behind hears it', {
  skip: without(haproxy, curl),
}, async t => {
  const port = await freePort()
  await telling.haproxy(t, { host: HOSTS[0], port })
  const trusting = { accept_proxy: true, trusted_proxies: ['127.0.0.1'], send_proxy: 'v2' }
  const it = await between(t, [{ name: 'told', protocol: 'tcp', gateway_port: port, ...trusting }])
  const us = `127.0.0.1:${it.port('told')}`
  for (const says of ['send-proxy', 'send-proxy-v2', 'send-proxy-v2 proxy-v2-options crc32c']) {
    const at = { host: '127.0.0.1', port: await freePort() }
    await startHaproxy(t, at, 'tcp', '', `server us ${us} ${says}`)
    t.match(await ask(t, at.port), { status: 0, out: CLIENT }, says)
  }
  const module = typeof nginx === 'string' ? null : streamModule(nginx)
  if (without(module === null ? 'no nginx with its stream module' : nginx) === false) {
    const at = { host: '127.0.0.1', port: await freePort() }
    const stream = `server { listen ${at.host}:${at.port}; proxy_pass ${us}; proxy_protocol on; }`
    await startNginx(t, at, { stream, module: module ?? '' })
    t.match(await ask(t, at.port), { status: 0, out: CLIENT }, 'nginx')
  }
  t.match(await ask(t, it.port('told')), { status: 0, out: CLIENT }, 'for whom nobody speaks, that is who comes')
})

/** TLS that is passed through by server name and ALPN, to servers of other people and from clients of other people. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { certificate } from '../support/certificate.ts'
import { between, freePort, HOSTS, run, startDaemon, without } from '../support/daemons.ts'
import { findProgram } from '../support/debian.ts'
import { folder } from '../support/launch.ts'
import { nginx, startNginx } from '../support/nginx.ts'

const openssl = findProgram(['openssl'], ['openssl'])
const curl = findProgram(['curl'], ['curl'])

const NAMES = ['a.example.org', 'b.example.org'] as const

test('openssl and curl reach the server whose name they ask for', { skip: without(openssl, nginx, curl) }, async t => {
  const home = folder(t)
  const file = (name: string) => join(home, name)
  for (const name of NAMES) {
    const { cert, key } = certificate(name)
    writeFileSync(file(`${name}.crt`), cert)
    writeFileSync(file(`${name}.key`), key)
  }
  const ports = { openssl: await freePort(), nginxA: await freePort(), nginxB: await freePort() }
  const start = async (host: string) => {
    const content = folder(t)
    writeFileSync(join(content, 'who'), `openssl ${host}`)
    const pair = ['-cert', file('a.example.org.crt'), '-key', file('a.example.org.key')]
    const args = ['-accept', `${host}:${ports.openssl}`, ...pair, '-alpn', 'http/1.1', '-WWW', '-quiet']
    const server = (name: string, port: number) =>
      `server { listen ${host}:${port} ssl http2; ssl_certificate ${file(name)}.crt; ssl_certificate_key ${file(name)}.key; return 200 "nginx ${host}"; }`
    const http = server('a.example.org', ports.nginxA) + server('b.example.org', ports.nginxB)
    return [
      await startDaemon(t, openssl, ['s_server', ...args], { host, port: ports.openssl, cwd: content }),
      await startNginx(t, { host, port: ports.nginxB }, { http }),
    ]
  }
  const [first] = await Promise.all(HOSTS.map(start))
  const of = (name: string, sni: string, port: number, alpn: readonly string[] = []) => ({
    ...{ name, protocol: 'tls', listener: 'pass', gateway_port: port },
    match: { sni, ...(alpn.length > 0 ? { alpn } : {}) },
  })
  const it = await between(
    t,
    [
      of('a', 'a.example.org', ports.openssl),
      of('a-h2', 'a.example.org', ports.nginxA, ['h2']),
      of('rest', '*.example.org', ports.nginxB),
    ],
    { listeners: [{ name: 'pass', protocol: 'tls', listen: '127.0.0.1:0' }] },
  )
  const port = it.port('pass')
  const client = (...args: string[]) =>
    run(t, openssl, ['s_client', '-brief', '-connect', `127.0.0.1:${port}`, ...args])
  const trusting = (name: string) => ['-CAfile', file(`${name}.crt`), '-verify_return_error', '-verify_hostname', name]
  const get = (name: string, ...args: string[]) =>
    run(t, curl, [
      ...['-sS', '--max-time', '5', '--resolve', `${name}:${port}:127.0.0.1`, '--cacert', file(`${name}.crt`)],
      ...['-w', ' by %{http_version}', ...args, `https://${name}:${port}/who`],
    ])

  for (const name of NAMES) {
    const { status, err } = await client('-servername', name, ...trusting(name))
    t.equal(status, 0, err)
    t.match(err, `CN = ${name}`)
    t.match(err, 'Verification: OK')
  }
  t.match(await get('a.example.org', '--http1.1'), { status: 0, out: 'openssl 127.0.0.2 by 1' })
  t.match(await get('a.example.org', '--http2'), { status: 0, out: 'nginx 127.0.0.2 by 2' }, 'by ALPN to another one')
  t.match(await get('b.example.org', '--http2'), { status: 0, out: 'nginx 127.0.0.2 by 2' })

  for (const asked of [['-servername', 'c.example.com'], ['-servername', 'example.org'], ['-noservername']])
    t.match(await client(...asked), { status: 1, err: /unrecognized name/ }, asked.join(' '))

  await Promise.all(first?.map(({ kill }) => kill()) ?? [])
  t.match(
    await get('b.example.org', '--http2'),
    { status: 0, out: 'nginx 127.0.0.3 by 2' },
    'and when they are killed, the others',
  )
  t.match(await get('a.example.org', '--http1.1'), { status: 0, out: 'openssl 127.0.0.3 by 1' })
})

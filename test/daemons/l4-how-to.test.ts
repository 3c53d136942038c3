/** The how-to of TCP, UDP and TLS as it is written, with the programs that it names. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { parse, stringify } from 'yaml'
import { freePorts } from '../../bench/flow/ports.ts'
import { certificate } from '../support/certificate.ts'
import { HOSTS, run, startDaemon, without } from '../support/daemons.ts'
import { findProgram, type Program } from '../support/debian.ts'
import { howTo } from '../support/how-to.ts'
import { folder } from '../support/launch.ts'
import { ADMIN_TOKEN, runProgram } from '../support/program.ts'
import { RawPeer } from '../support/raw-peer.ts'

const dnsmasq = findProgram(['dnsmasq'], ['dnsmasq-base'])
const dig = findProgram(['dig'], ['bind9-dnsutils'])
const curl = findProgram(['curl'], ['curl'])
const haproxy = findProgram(['haproxy'], ['haproxy'])

/** An address that is nobody else's. */
const CLIENT = '127.0.0.77'

test('TCP, UDP and TLS without opening it', { skip: without(dnsmasq, dig, curl, haproxy) }, async t => {
  const [ssh = 0, sshd = 0, dns = 0, named = 0, tls = 0, https = 0, site = 0, behind = 0, app = 0, front = 0] =
    await freePorts(10)
  const cloud = certificate('cloud.example.com')
  for (const host of HOSTS) {
    await serve(
      t,
      createServer(socket => void socket.end(`shell at ${host}\n`)),
      host,
      sshd,
    )
    await serve(
      t,
      createHttps(cloud, (_, response) => void response.end(host)),
      host,
      https,
    )
    const options = [
      'keep-in-foreground',
      'bind-interfaces',
      'no-resolv',
      'no-hosts',
      'conf-file=/dev/null',
      'pid-file',
    ]
    const own = [`listen-address=${host}`, `port=${named}`, 'address=/nas.example.com/192.168.1.5', 'user=root']
    await startDaemon(
      t,
      dnsmasq,
      [...options, ...own].map(option => `--${option}`),
      { host, port: named },
    )
  }
  const home = folder(t)
  writeFileSync(join(home, 'ca.crt'), cloud.cert)

  const file = {
    version: 1,
    definitions: 'store',
    admin: { listen: '127.0.0.1:0', token: '${GATEPOOL_ADMIN_TOKEN}' },
    listeners: [{ name: 'web', listen: '127.0.0.1:0' }],
    gateways: ['home', 'ds918'].map((name, i) => ({ name, address: HOSTS[i] })),
    pools: [{ name: 'home-network', members: ['home', 'ds918'] }],
  }
  const program = await runProgram(t, stringify(file))
  const doc = howTo(t, 'tcp-udp-and-tls.md', {
    env: {
      GATEPOOL_URL: String(program.url.admin),
      GATEPOOL_TOKEN: ADMIN_TOKEN,
      CURL_CA_BUNDLE: join(home, 'ca.crt'),
    },
    programs: { dig: dig as Program, curl: curl as Program },
    replace: {
      ...{ '0.0.0.0:2222': `127.0.0.1:${ssh}`, '-port 22 ': `-port ${sshd} `, 'port: 22': `port: ${sshd}` },
      ...{ '0.0.0.0:5353': `127.0.0.1:${dns}`, '-p 5353': `-p ${dns}`, '-port 53 ': `-port ${named} ` },
      ...{ '.com:8443': `.com:${tls}`, '-port 443 ': `-port ${https} ` },
      ...{ '0.0.0.0:8081': `127.0.0.1:${site}`, '-port 8081 ': `-port ${behind} `, '192.168.2.7': '127.0.0.1' },
    },
  })
  const get = async (port: number) => {
    const from = ['-sS', '--max-time', '5', '--interface', CLIENT]
    return (await run(t, curl, [...from, `http://127.0.0.1:${port}/`])).out
  }

  await doc.run(t, 'A remote desktop, a shell, a database')
  t.equal(await (await RawPeer.to(ssh)).text('\n'), `shell at ${HOSTS[0]}\n`)
  await doc.run(t, 'DNS')
  await doc.run(t, 'TLS by server name', async commands => {
    if (!commands.includes('gatepool reload')) return
    const { listeners } = parse(doc.blocks('TLS by server name', 'yaml')[0] ?? '')
    const listen = { web: '127.0.0.1:0', passthrough: `127.0.0.1:${tls}` }
    const here = listeners.map((one: { name: keyof typeof listen }) => ({ ...one, listen: listen[one.name] }))
    program.configure(stringify({ ...file, listeners: here }))
  })

  const [taking = '', telling = ''] = doc.blocks('Who the client is', 'haproxy')
  const start = (conf: string, host: string, port: number) => {
    const path = join(folder(t), 'haproxy.cfg')
    writeFileSync(path, conf)
    return startDaemon(t, haproxy, ['-db', '-f', path], { host, port })
  }
  await serve(
    t,
    createHttp(({ headers }, response) => void response.end(headers['x-forwarded-for'])),
    '127.0.0.1',
    app,
  )
  await start(
    taking.replace(':8081', `${HOSTS[0]}:${behind}`).replace('192.168.1.5:80', `127.0.0.1:${app}`),
    HOSTS[0],
    behind,
  )
  await doc.run(t, 'Who the client is', async commands => {
    if (commands.includes('accept_proxy')) t.equal(await get(site), CLIENT)
  })
  await start(
    telling.replace(':80\n', `127.0.0.1:${front}\n`).replace('192.168.2.9:8081', `127.0.0.1:${site}`),
    '127.0.0.1',
    front,
  )
  t.equal(await get(front), CLIENT)
  await doc.run(t, 'When it does not work')
  doc.ends(t)
})

async function serve(t: Test, server: Server, host: string, port: number): Promise<void> {
  // Whoever only tries a connection resets it.
  server.on('connection', socket => socket.on('error', () => {}))
  await once(server.listen({ host, port }), 'listening')
  t.teardown(() => void server.close())
}

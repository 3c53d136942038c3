/** Names asked for through UDP and TCP routes, of servers that are killed. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { begin, between, freePort, HOSTS, run, startDaemon, without } from '../support/daemons.ts'
import { findProgram } from '../support/debian.ts'
import { folder } from '../support/launch.ts'
import { until } from '../support/until.ts'

const dnsmasq = findProgram(['dnsmasq'], ['dnsmasq-base'])
const dig = findProgram(['dig'], ['bind9-dnsutils'])
const skip = without(dnsmasq, dig)

/** Longer than fits into a datagram on most networks. */
const LONG = Array.from({ length: 12 }, (_, i) => `${i} `.padEnd(240, 'long '))

test('dig goes on with the other DNS server; answers by UDP and TCP are whole', { skip }, async t => {
  const port = await freePort()
  const [first] = await Promise.all(
    HOSTS.map((host, i) => {
      const options = {
        ...{ port, 'listen-address': host, address: `/who.example.org/192.0.2.${i + 1}`, 'edns-packet-max': 4096 },
        ...{ 'conf-file': '/dev/null', 'pid-file': '', user: 'root' },
        'txt-record': `long.example.org,${LONG.join(',')}`,
      }
      const flags = ['keep-in-foreground', 'bind-interfaces', 'no-resolv', 'no-hosts', 'no-daemon']
      const args = [...flags, ...Object.entries(options).map(([name, value]) => `${name}=${value}`)]
      return startDaemon(
        t,
        dnsmasq,
        args.map(arg => `--${arg}`),
        { host, port },
      )
    }),
  )
  const it = await between(t, [
    { name: 'dns', protocol: 'udp', gateway_port: port, responses: 1 },
    { name: 'dns-tcp', protocol: 'tcp', gateway_port: port },
  ])
  const at = ['@127.0.0.1', '+tries=3', '+time=1']
  const ask = async (route: string, ...args: string[]) => {
    const answered = await run(t, dig, [...at, '-p', `${it.port(route)}`, ...args])
    return answered.status === 0 ? answered.out : answered.out + answered.err
  }

  const long = `${LONG.map(text => JSON.stringify(text)).join(' ')}\n`
  const text = ['+short', 'TXT', 'long.example.org']
  t.equal(await ask('dns', ...text, '+bufsize=4096', '+ignore'), long, 'in one datagram')
  t.equal(await ask('dns-tcp', ...text, '+tcp'), long)

  const names = join(folder(t), 'names')
  const count = 2_000
  writeFileSync(names, Array.from({ length: count }, (_, i) => `${i}.who.example.org\n`).join(''))
  const many = begin(t, dig, [...at, '-p', `${it.port('dns')}`, '+short', '-f', names])
  const lines = () => many.out().split('\n').slice(0, -1)
  const answers = () => lines().filter(line => !line.startsWith(';;'))
  await until('it asks', async () => answers().length > 300)
  await first?.kill()
  t.equal(await many.ended, 0, many.err())
  const before = answers().lastIndexOf('192.0.2.1') + 1
  t.strictSame(answers(), [...Array(before).fill('192.0.2.1'), ...Array(count - before).fill('192.0.2.2')])
  t.ok(before < count, `${before} of ${count} before it was killed`)
  t.ok(lines().length <= count + 1, 'and only what the killed one had in its hands was asked again')
  t.equal(await ask('dns-tcp', '+tcp', '+short', 'who.example.org'), '192.0.2.2\n')
})

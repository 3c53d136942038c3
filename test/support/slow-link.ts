/**
 * `unshare --net node slow-link.ts`: in a network of its own, where everything but the way to one client is fast, a member answers one
 * datagram with many. Says what gatepool made of them, as JSON.
 */
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { datagrams } from './datagrams.ts'
import { startL4, sum, tcpPool } from './l4.ts'
import { rest, until } from './raw-peer.ts'

const ANSWERS = 5_000
const SIZE = 1_400
const BURST = 20
const CLIENT = '127.0.3.1'

const commands = [
  'ip link set lo up',
  'tc qdisc add dev lo root handle 1: htb',
  'tc class add dev lo parent 1: classid 1:2 htb rate 800kbit',
  `tc filter add dev lo parent 1: protocol ip prio 1 u32 match ip dst ${CLIENT}/32 flowid 1:2`,
]
for (const command of commands) {
  const [file = '', ...args] = command.split(' ')
  const { status, stderr, error } = spawnSync(file, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command}: ${error?.message ?? stderr}`)
}

const member = createSocket('udp4')
member.on('message', (_, { port, address }) => void answer(port, address))
member.bind(0, '127.0.0.2')
await once(member, 'listening')
await using l4 = await startL4(tcpPool(['a'], member.address().port, { route: { name: 'udp', protocol: 'udp' } }))
await using client = await datagrams(CLIENT)
let sent = 0
client.send('ask', l4.port('udp'))
await until(() => sent === ANSWERS, 'all answers were sent')
await rest(passed)
const lost = sum(l4.l4.numbers.udpDropped(), { reason: 'lost' })
console.log(JSON.stringify({ sent: sent * SIZE, passed: passed(), lost: lost * SIZE }))
member.close()

/** As fast as they are read. */
async function answer(port: number, address: string): Promise<void> {
  while (sent < ANSWERS) {
    for (let burst = 0; burst < BURST; burst++, sent++) member.send(Buffer.alloc(SIZE), port, address)
    await new Promise(resolve => setImmediate(resolve))
  }
}

function passed(): number {
  return sum(l4.l4.numbers.bytes(), { direction: 'to_client' })
}

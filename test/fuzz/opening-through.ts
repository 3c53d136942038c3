/** Random beginnings through a running listener: what is whole arrives behind it byte for byte, everything else is closed; nothing hangs. */
import { createDice } from '../support/dice.ts'
import { startL4 } from '../support/l4.ts'
import type { RawPeer } from '../support/raw-peer.ts'
import { rawUpstreamAt } from '../support/raw-upstream.ts'
import { randomCuts } from './messages.ts'
import { open, pieces, randomOpening } from './opening-readers.ts'

export interface ThroughListener {
  readonly seed: number
  /** Asked before each connection with the number of those before. */
  readonly isOver: (number: number) => boolean
  readonly onWrong: (words: string, seed: number) => void
}

export interface Connections {
  connections: number
  relayed: number
}

export async function throughListener({ seed, isOver, onWrong }: ThroughListener): Promise<Connections> {
  await using member = await rawUpstreamAt('127.0.0.2', 0, peer => void peer.socket.on('end', () => peer.end()))
  const route = { name: 'r', protocol: 'tls', listener: 'pass', match: { sni: '*.nobody' } } as const
  await using l4 = await startL4(
    {
      gateways: [{ name: 'a', address: '127.0.0.2' }],
      routes: [{ ...route, gateway_port: member.port, target: { gateway: 'a' } }],
    },
    { listeners: [{ name: 'pass', default_route: 'r', accept_proxy: true, trusted_proxies: ['127.0.0.1'] }] },
  )
  const counts: Connections = { connections: 0, relayed: 0 }
  while (!isOver(counts.connections)) {
    const own = (seed + counts.connections++) | 0
    const dice = createDice(own)
    const bytes = randomOpening(dice)
    const parts = pieces(bytes, randomCuts(dice, bytes.length))
    const expected = open([bytes])
    const client = await l4.connect('pass')
    for (const part of parts) {
      client.send(part)
      await new Promise(resolve => setImmediate(resolve))
    }
    client.end()
    try {
      await client.ended()
      if (expected.awaits === 'done') await (await member.connection(counts.relayed)).ended()
    } catch {
      onWrong(`${bytes.toString('hex')}: the connection hangs`, own)
    }
    client.close()
    const came = hexOf(member.connections[counts.relayed])
    if (came !== (expected.awaits === 'done' ? expected.rest : null))
      onWrong(`${bytes.toString('hex')}: ${came} arrives, and not ${expected.rest}`, own)
    if (came !== null) counts.relayed++
  }
  return counts
}

/** What came on a connection; null: there was none. */
function hexOf(peer: RawPeer | undefined): string | null {
  return peer === undefined ? null : Buffer.from(peer.received, 'latin1').toString('hex')
}

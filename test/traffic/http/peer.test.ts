import { test } from 'tap'
import { clientAddress, createPeer } from '../../../src/traffic/http/peer.ts'

test('trust is decided by the plain address', t => {
  const asked: string[] = []
  const peer = createPeer('::ffff:10.0.0.1', 'https', 443, address => asked.push(address) > 0)
  t.strictSame(asked, ['10.0.0.1'])
  t.match(peer, { address: '10.0.0.1', trusted: true })
  t.end()
})

test('the client is found from right to left over trusted addresses', t => {
  const trusted = (address: string): boolean => address.startsWith('10.') || address === '2001:db8::1'
  const table: readonly (readonly [peer: string, forwardedFor: string, client: string])[] = [
    ['203.0.113.1', '198.51.100.1', '203.0.113.1'],
    ['10.0.0.1', '', '10.0.0.1'],
    ['10.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['10.0.0.1', '6.6.6.6, 198.51.100.1', '198.51.100.1'],
    ['10.0.0.1', '6.6.6.6, 198.51.100.1,10.0.0.2 , 10.0.0.3', '198.51.100.1'],
    ['10.0.0.1', '10.0.0.9, 10.0.0.2', '10.0.0.9'],
    ['10.0.0.1', 'unknown, 10.0.0.2', '10.0.0.2'],
    ['10.0.0.1', '6.6.6.6, garbage', '10.0.0.1'],
    ['10.0.0.1', '6.6.6.6,,10.0.0.2', '10.0.0.2'],
    ['10.0.0.1', '198.51.100.1:4711', '198.51.100.1'],
    ['10.0.0.1', '[2001:db8::7]:4711', '2001:db8::7'],
    ['10.0.0.1', '[2001:db8::7]', '2001:db8::7'],
    ['10.0.0.1', '2001:db8::7, 2001:db8::1', '2001:db8::7'],
    ['10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1'],
    ['10.0.0.1', '198.51.100.1, ::ffff:10.0.0.2', '198.51.100.1'],
    ['10.0.0.1', '[10.0.0.2]', '10.0.0.1'],
    ['10.0.0.1', '198.51.100.1:x', '10.0.0.1'],
    ['10.0.0.1', '198.51.100.1, ', '10.0.0.1'],
  ]
  for (const [peer, forwardedFor, client] of table)
    t.equal(clientAddress(peer, forwardedFor, trusted), client, `${peer} ← ${forwardedFor}`)
  t.end()
})

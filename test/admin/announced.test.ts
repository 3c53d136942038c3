import { test } from 'tap'
import { announcedPlace } from '../../src/admin/announced.ts'
import { settings } from '../../src/config/definitions.ts'
import type { Gateway } from '../../src/core/nouns.ts'
import { define } from '../support/world.ts'

const [fleet, fixed] = define({
  gateways: [
    { name: 'fleet', address: 'from_heartbeat', liveness: 'heartbeat' },
    { name: 'fixed', address: '10.0.0.1' },
  ],
}).gateways as [Gateway, Gateway]
const { address_ranges: PRIVATE } = settings.parse({})

/** What becomes of an address: the one that is dialled, or the code of the refusal. */
function place(address: string, ranges: readonly string[] = PRIVATE): string | undefined {
  const answer = announcedPlace(fleet, { state: 'ready', address }, ranges)
  return 'kind' in answer ? answer.code : answer.address
}
const NO = 'address_not_allowed'

test('an address that is announced lies in the ranges, and is dialled in one form', t => {
  for (const address of ['10.1.2.3', '172.31.0.1', '192.168.255.255', 'fd00::1']) t.equal(place(address), address)
  t.equal(place('FD00:0:0::0001'), 'fd00::1')
  t.equal(place('::ffff:10.1.2.3'), '10.1.2.3')
  t.equal(place('::ffff:0a01:0203'), '10.1.2.3')
  for (const address of ['8.8.8.8', '172.32.0.1', '2001:db8::1', '11.0.0.1']) t.equal(place(address), NO, address)
  t.equal(place('8.8.8.8', ['8.8.8.8']), '8.8.8.8')
  t.equal(place('10.1.2.3', []), NO, 'no range allows nothing')
  t.end()
})

test('our own host is reached only by a range of its own, and nothing link-local ever', t => {
  const everywhere = ['0.0.0.0/0', '::/0', '127.0.0.0/7', '::/64']
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1'])
    t.equal(place(address, everywhere), NO, address)
  t.equal(place('127.0.0.1', ['127.0.0.0/8']), '127.0.0.1')
  t.equal(place('127.0.0.2', ['127.0.0.1']), NO)
  t.equal(place('::ffff:127.0.0.1', ['127.0.0.1/32']), '127.0.0.1')
  t.equal(place('0:0:0:0:0:0:0:1', ['::1']), '::1')
  const own = [...everywhere, '169.254.0.0/16', 'fe80::/10', '0.0.0.0/8', 'ff00::/8', '224.0.0.0/4']
  for (const address of ['169.254.169.254', '0.0.0.0', 'fe80::1', '::', 'ff02::1', '224.0.0.1', '255.255.255.255'])
    t.equal(place(address, own), NO, address)
  t.end()
})

test('what is no address as such is none', t => {
  const odd = [
    'nas.lan',
    'localhost',
    '',
    '10.1',
    '10.0.0.1:80',
    '[fd00::1]',
    '0x0a000001',
    '010.0.0.1',
    'fd00::1%eth0',
    ' 10.0.0.1',
  ]
  for (const address of odd) t.equal(place(address, ['0.0.0.0/0', '::/0']), NO, address)
  t.end()
})

test('a ready instance says where it is; one that takes nothing need not', t => {
  t.match(announcedPlace(fleet, { state: 'ready' }, PRIVATE), { code: 'bad_request' })
  t.strictSame(announcedPlace(fleet, { state: 'drain' }, PRIVATE), {})
  const said = { state: 'ready', address: '10.0.0.5', http_port: 81 }
  t.strictSame(announcedPlace(fleet, said, PRIVATE), { address: '10.0.0.5', http_port: 81 })
  t.end()
})

test('a gateway with an address of its own may repeat it, and nothing else', t => {
  t.strictSame(announcedPlace(fixed, { state: 'ready', address: '10.0.0.1', http_port: 8080 }, PRIVATE), {})
  t.strictSame(announcedPlace(fixed, { state: 'ready' }, PRIVATE), {})
  t.match(announcedPlace(fixed, { state: 'ready', address: '10.0.0.2' }, PRIVATE), { code: NO })
  t.match(announcedPlace(fixed, { state: 'ready', http_port: 81 }, PRIVATE), { code: NO })
  t.end()
})

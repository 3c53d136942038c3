import { test } from 'tap'
import { readAddress } from '../../../src/store/redis/url.ts'

const at = (host: string, port = 6379) => ({ host, port })
const plain = { db: 0, tls: false }

const good: readonly (readonly [url: string, address: object])[] = [
  ['redis://127.0.0.1:6379', { ...plain, kind: 'server', at: at('127.0.0.1') }],
  ['redis://redis.lan', { ...plain, kind: 'server', at: at('redis.lan') }],
  ['redis://[::1]:7000/3', { ...plain, db: 3, kind: 'server', at: at('::1', 7000) }],
  ['redis://h?db=2', { ...plain, db: 2, kind: 'server', at: at('h') }],
  ['rediss://h:6380', { ...plain, tls: true, kind: 'server', at: at('h', 6380) }],
  ['redis://ann:p%40ss%2Fw@h', { ...plain, username: 'ann', password: 'p@ss/w', kind: 'server', at: at('h') }],
  ['redis://:pass@h', { ...plain, password: 'pass', kind: 'server', at: at('h') }],
  ['redis://pass@h', { ...plain, password: 'pass', kind: 'server', at: at('h') }],
  ['redis:///run/redis.sock', { ...plain, kind: 'socket', path: '/run/redis.sock' }],
  [
    'redis://:pass@/run/redis.sock?db=4',
    { ...plain, password: 'pass', db: 4, kind: 'socket', path: '/run/redis.sock' },
  ],
  [
    'redis+sentinel://ann:pass@a,b:26380/main/1?tls=1',
    {
      username: 'ann',
      password: 'pass',
      db: 1,
      tls: true,
      kind: 'sentinel',
      sentinels: [at('a', 26_379), at('b', 26_380)],
      master: 'main',
    },
  ],
  [
    'redis+cluster://a:7000,b,[::1]:7002',
    { ...plain, kind: 'cluster', nodes: [at('a', 7000), at('b'), at('::1', 7002)] },
  ],
]

for (const [url, address] of good)
  test(`understood: ${url}`, async t => {
    t.strictSame(readAddress(url), address)
  })

const bad: readonly (readonly [url: string, problem: RegExp])[] = [
  ['http://h', /form/],
  ['redis://', /names no host/],
  ['rediss:///run/redis.sock', /names no host/],
  ['redis://h:0', /host or port/],
  ['redis://h:65536', /host or port/],
  ['redis://h:x', /host or port/],
  ['redis://a,b', /several hosts/],
  ['redis://a b', /host or port/],
  ['redis://h/x', /database/],
  ['redis://h?timeout=1', /no setting timeout/],
  ['redis://se%cret@h', /percent-encoded/],
  ['redis+sentinel://a', /no master/],
  ['redis+cluster://a/1', /one database|has one/],
  ['redis+cluster://a?db=1', /one database/],
]

for (const [url, problem] of bad)
  test(`refused: ${url}`, async t => {
    const address = readAddress(url)
    t.match(address, { kind: 'refusal', detail: problem })
    t.notMatch(JSON.stringify(address), 'cret', 'and no password is told')
  })

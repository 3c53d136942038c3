/** TLS to a real Redis, with certificates of an authority of our own; and a Redis that is not as it should be. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { freePorts } from '../../bench/flow/ports.ts'
import { realClock } from '../../src/clock.ts'
import { openRedisStore } from '../../src/store/redis/redis.ts'
import { CLUSTER, values } from '../store/samples.ts'
import { certificate } from '../support/certificate.ts'
import { folder } from '../support/launch.ts'
import { startRedis, withoutRedis } from '../support/redis.ts'
import { back, newsOf, storeIn } from '../support/redis-store.ts'
import { startGateway, startReplica } from '../support/replicas.ts'
import { until } from '../support/until.ts'

const skip = withoutRedis()

test('over TLS: the authority, the name and the own certificate have to be right', { skip }, async t => {
  const home = folder(t)
  const file = (name: string, text: string) => {
    writeFileSync(join(home, name), text)
    return join(home, name)
  }
  const [server, client, stranger] = ['localhost', 'replica', 'stranger'].map(name => certificate(name)) as [
    ReturnType<typeof certificate>,
    ReturnType<typeof certificate>,
    ReturnType<typeof certificate>,
  ]
  const paths = {
    ca: file('server.crt', server.cert),
    cert: file('client.crt', client.cert),
    key: file('client.key', client.key),
  }
  const strangers = { cert: file('stranger.crt', stranger.cert), key: file('stranger.key', stranger.key) }
  const [port = 0] = await freePorts(1)
  const redis = await startRedis(t, {
    'tls-port': String(port),
    'tls-cert-file': paths.ca,
    'tls-key-file': file('server.key', server.key),
    'tls-ca-cert-file': paths.cert,
    'tls-auth-clients': 'yes',
  })
  await redis.client.acl('SETUSER', 'gatepool', 'on', '>secret', '~*', '&*', '+@all')
  const url = `rediss://gatepool:secret@localhost:${port}`
  const open = (tls: object, at = url) => {
    const store = openRedisStore({
      ...{ url: at, tls, cluster: CLUSTER, replica: 'a', cache: null, clock: realClock(), random: Math.random },
    })
    t.teardown(() => store[Symbol.asyncDispose]())
    return store
  }
  const good = paths
  const store = open(good)
  await back(store)
  const wanted = { expect: {}, documents: values(1), facts: [], at: 1, by: 'x' }
  t.match(await store.write(wanted), { kind: 'written' })
  await newsOf(store)()

  const bad: [title: string, tls: object, at: string | undefined, words: RegExp][] = [
    ['a server of an unknown authority', { ...good, ca: strangers.cert }, undefined, /SELF_SIGNED|UNABLE_TO_VERIFY/],
    ['no authority of our own', { cert: paths.cert, key: paths.key }, undefined, /SELF_SIGNED|UNABLE_TO_VERIFY/],
    ['a server of another name', good, url.replace('localhost', '127.0.0.1'), /ERR_TLS_CERT_ALTNAME_INVALID/],
    ['no certificate of our own', { ca: paths.ca }, undefined, /CERTIFICATE_REQUIRED|ECONNRESET|HANDSHAKE|closed/],
    ['a certificate that it does not know', { ...good, ...strangers }, undefined, /ALERT|ECONNRESET|closed/],
    ['a wrong password', good, url.replace('secret', 'sesame'), /WRONGPASS/],
    ['no TLS', {}, `redis://localhost:${port}`, /ECONNRESET|closed/],
  ]
  for (const [title, tls, at, words] of bad) {
    const refused = open(tls, at)
    let detail = ''
    await until(`it is told: ${title}`, async () => {
      const answer = await refused.write(wanted)
      detail = answer.kind === 'refusal' ? answer.detail : 'taken'
      return words.test(detail)
    }).catch(() => undefined)
    t.match(detail, words, title)
  }

  const ports = { home: await startGateway(t, 'home') }
  const tls = `, tls: { ca: ${paths.ca}, cert: ${paths.cert}, key: ${paths.key} }`
  const replica = await startReplica(t, { name: 'a', url, ports, store: tls })
  await until('the replica has its store', async () => (await replica.status()).store.available)
  await t.rejects(
    startReplica(t, { name: 'b', url, ports, store: tls.replace(paths.cert, join(home, 'none.crt')) }),
    /store\.tls: ENOENT/,
  )
  await t.rejects(
    startReplica(t, { name: 'b', url, ports, store: tls.replace(paths.cert, file('bad.crt', 'nothing')) }),
    /store\.tls: /,
  )
})

test('a Redis that may forget or throw away is warned of, at the start and in the status', { skip }, async t => {
  const redis = await startRedis(t, { appendonly: 'no', 'maxmemory-policy': 'allkeys-lru' })
  const ports = { home: await startGateway(t, 'home') }
  const replica = await startReplica(t, { name: 'a', url: redis.url, ports })
  t.match((await replica.status()).store.warnings, [/allkeys-lru/, /appendonly/])
  await redis.client.config('SET', 'maxmemory-policy', 'noeviction')
  await redis.client.config('SET', 'appendonly', 'yes')
  await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await until('it has looked again', async () => (await replica.status()).store.warnings.length === 0)
  replica.program.signal('SIGTERM')
  const { out } = await replica.program.ended
  t.equal(out.split('\n').filter(line => line.includes('allkeys-lru')).length, 1, 'told once')
})

test('nothing is begun by a user who may not end it; without news it goes on', { skip }, async t => {
  const redis = await startRedis(t)
  const rights = ['on', '>secret', '~*', '&*', '+@all']
  const url = redis.url.replace('://', '://gatepool:secret@')
  await redis.client.acl('SETUSER', 'gatepool', ...rights, '-xadd', '-zadd')
  const store = openRedisStore({
    ...{ url, cluster: CLUSTER, replica: 'a', cache: null, clock: realClock(), random: Math.random },
  })
  t.teardown(() => store[Symbol.asyncDispose]())
  await until('it has looked', async () => {
    await store.read().catch(() => undefined)
    return store.warnings.some(warning => warning.includes('xadd'))
  })
  const write = { expect: {}, documents: values(1), facts: [], at: 1, by: 'x' }
  t.match(await store.write(write), { code: 'store_unavailable', detail: 'the user of Redis may not: xadd, zadd' })
  t.strictSame(await redis.client.keys('*'), [], 'nothing half done')
  await redis.client.acl('SETUSER', 'gatepool', 'reset', ...rights, '-publish', '-subscribe')
  await redis.client.call('CLIENT', 'KILL', 'USER', 'gatepool')
  await until('it is as it should be', async () => (await store.write(write)).kind === 'written')
  t.match(store.warnings.at(-1), /may not: publish$/)
  await using keyless = await storeIn(redis.url)
  await redis.client.acl('SETUSER', 'gatepool', 'reset', 'on', '>secret', '~other:*', '&*', '+@all')
  await redis.client.call('CLIENT', 'KILL', 'USER', 'gatepool')
  await until('keys that it may not use are noticed', async () => (await store.write(write)).kind === 'refusal')
  t.equal((await keyless.read()).holds.revision, 1)
})

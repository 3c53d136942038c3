/** The samples for a deployment, run without a container engine: the commands and the environment that they give, on this machine. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { parse } from 'yaml'
import { freePorts } from '../../bench/flow/ports.ts'
import { folder, launch } from '../support/launch.ts'
import { killRedis, spawnRedis, withoutRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const CONFIG = join(import.meta.dirname, '../../config')
const SECRETS = { REDIS_PASSWORD: 'a-password-for-tests', GATEPOOL_ADMIN_TOKEN: 'a-token-for-tests' }

interface Service {
  readonly environment?: Readonly<Record<string, string>>
  readonly command?: readonly string[]
  readonly volumes: readonly string[]
}

const filled = (text: string): string =>
  text.replace(/\$\{(\w+):\?[^}]*\}/g, (_, name: keyof typeof SECRETS) => SECRETS[name])
const { services } = parse(filled(readFileSync(join(CONFIG, 'compose.yaml'), 'utf8')), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>
}
const replicas = Object.keys(services).filter(name => name.startsWith('gatepool-'))

/** One replica as its service says; it listens on loopback, where the system picks. Answers its page of metrics. */
async function startReplica(t: Test, name: string, redis: string): Promise<string> {
  const { environment = {} } = services[name] ?? {}
  const [file = ''] = services[name]?.volumes.filter(volume => volume.endsWith('/gatepool.yaml:ro')) ?? []
  const env = {
    ...environment,
    REDIS_ADDRESS: redis,
    GATEPOOL_STORE_PATH: join(folder(t), 'gatepool.db'),
    GATEPOOL_ADMIN_LISTEN: '127.0.0.1:0',
    GATEPOOL_METRICS_LISTEN: '127.0.0.1:0',
    GATEPOOL_WEB_LISTEN: '127.0.0.1:0',
  }
  const { child, ended } = launch(t, ['run', '-c', join(CONFIG, file.split(':')[0] ?? '')], { env })
  const [words] = await Promise.race([once(child.stderr ?? child, 'data'), ended.then(({ err }) => [err])])
  const [, at] = /metrics on (\S+:\d+)/.exec(String(words)) ?? []
  if (at === undefined) throw new Error(`${name} did not start: ${words}`)
  return `http://${at}/metrics`
}

test('compose.yaml: three replicas share one view through its Redis', { skip: withoutRedis() }, async t => {
  t.equal(replicas.length, 3)
  const [, ...options] = services.redis?.command ?? []
  const [port = 0] = await freePorts(1)
  const redis = await spawnRedis(['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder(t), ...options])
  t.teardown(() => killRedis(redis))
  const pages = await Promise.all(replicas.map(name => startReplica(t, name, `127.0.0.1:${port}`)))
  for (const page of pages)
    await until('it sees three replicas', async () => /^gatepool_replicas 3$/m.test(await (await fetch(page)).text()))
  const page = await (await fetch(pages[0] ?? '')).text()
  t.match(page, /^gatepool_member_up\{pool="home-network",gateway="home"\} 1$/m, 'the first content is in the store')
})

test('prometheus.yaml asks each replica of compose.yaml where it has its metrics', t => {
  const { scrape_configs } = parse(readFileSync(join(CONFIG, 'prometheus.yaml'), 'utf8'))
  const port = services['gatepool-a']?.environment?.GATEPOOL_METRICS_LISTEN?.split(':')[1]
  t.strictSame(
    scrape_configs[0].static_configs[0].targets,
    replicas.map(name => `${name}:${port}`),
  )
  t.end()
})

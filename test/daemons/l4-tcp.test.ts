/** Databases and shells through TCP routes, and what their clients see of a member that is killed. */
import { spawnSync } from 'node:child_process'
import { chownSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import { begin, between, freePort, HOSTS, type Options, run, startDaemon, without } from '../support/daemons.ts'
import { findProgram, type Program } from '../support/debian.ts'
import { folder } from '../support/launch.ts'
import { until } from '../support/until.ts'

const redis = findProgram(['redis-server'], ['redis-server', 'redis-tools'])
const redisCli = findProgram(['redis-cli'], ['redis-tools'])
const redisBenchmark = findProgram(['redis-benchmark'], ['redis-tools'])

test('redis-benchmark is cut off with its Redis, and runs on the other one', {
  skip: without(redis, redisCli),
}, async t => {
  const port = await freePort()
  const [first] = await both(host =>
    startDaemon(t, redis, ['--bind', host, '--port', `${port}`, '--save', ''], { host, port }),
  )
  const it = await between(t, [{ name: 'redis', protocol: 'tcp', gateway_port: port }])
  const at = ['-p', `${it.port('redis')}`]
  const bench = ['-c', '20', '-t', 'set,get', '--csv']
  const cli = async (...command: string[]) => (await run(t, redisCli, [...at, ...command])).out.trim()

  t.match(await run(t, redisBenchmark, [...at, ...bench, '-n', '20000']), { status: 0, out: /^"SET".*\n"GET"/m })
  const long = begin(t, redisBenchmark, [...at, ...bench, '-n', '100000000'])
  const sets = async () => Number(/cmdstat_set:calls=(\d+)/.exec(await cli('info', 'commandstats'))?.[1])
  const before = await sets()
  await until('it works', async () => (await sets()) > before + 1_000)
  await first.kill()
  const answers: string[] = []
  for (let i = 0; i < 50; i++) answers.push(await cli('incr', 'turns'))
  t.strictSame(
    answers.map(Number),
    [...Array(50).keys()].map(i => i + 1),
    'whoever connects is served',
  )
  t.equal(await cli('config', 'get', 'bind'), `bind\n${HOSTS[1]}`)
  t.equal(await long.ended, 1)
  t.match(long.err() + long.out(), /Server closed|reset by peer/)
  t.match(await run(t, redisBenchmark, [...at, ...bench, '-n', '20000']), { status: 0, out: /^"SET".*\n"GET"/m })
})

const postgres = findProgram(['postgres'], ['postgresql'])
const NOBODY = 65534

test('psql and pgbench go on with the other PostgreSQL', { skip: without(postgres) }, async t => {
  const port = await freePort()
  const own = (name: string) =>
    typeof postgres === 'string' ? postgres : { ...postgres, path: join(dirname(realpathSync(postgres.path)), name) }
  // PostgreSQL does not run as root.
  const options: Options = userInfo().uid === 0 ? { user: NOBODY } : {}
  const [first] = await both(async host => {
    const home = folder(t)
    if (options.user !== undefined) chownSync(home, options.user, options.user)
    const data = join(home, 'data')
    const initdb = ['-D', data, '-U', 'test', '-A', 'trust', '--no-sync', '--no-instructions']
    t.match(await run(t, own('initdb'), initdb, options), { status: 0 })
    const settings = { listen_addresses: host, port, unix_socket_directories: '', fsync: 'off', shared_buffers: '16MB' }
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const daemon = await startDaemon(t, own('postgres'), ['-D', data, ...args], { host, port, ...options })
    // What is killed cannot clean up.
    const [, segment = ''] = /^ *\d+ +(\d+)$/m.exec(readFileSync(join(data, 'postmaster.pid'), 'utf8')) ?? []
    t.teardown(() => void spawnSync('ipcrm', ['--shmem-id', segment], { stdio: 'ignore' }))
    const at = ['-h', host, '-p', `${port}`, '-U', 'test']
    await until('it takes clients', async () => (await run(t, own('pg_isready'), at)).status === 0)
    t.match(await run(t, own('pgbench'), [...at, '-i', '-q', 'postgres']), { status: 0 })
    return daemon
  })
  const it = await between(t, [{ name: 'postgres', protocol: 'tcp', gateway_port: port }])
  const at = ['-h', '127.0.0.1', '-p', `${it.port('postgres')}`, '-U', 'test']
  const psql = async (sql: string) => (await run(t, own('psql'), [...at, '-Atc', sql, 'postgres'])).out.trim()
  const pgbench = (...args: string[]) => begin(t, own('pgbench'), [...at, '-n', ...args, 'postgres'])
  const who = 'SELECT inet_server_addr()'

  t.equal(await psql(who), HOSTS[0])
  const short = pgbench('-c', '4', '-t', '100')
  t.equal(await short.ended, 0, short.err())
  t.match(short.out(), 'transactions actually processed: 400/400')
  const long = pgbench('-c', '4', '-T', '60')
  await until('it works', async () => Number(await psql('SELECT count(*) FROM pgbench_history')) > 1_000)
  await first.kill()
  const answers: string[] = []
  for (let i = 0; i < 20; i++) answers.push(await psql(who))
  t.strictSame(answers, Array(20).fill(HOSTS[1]), 'whoever connects is served')
  t.equal(await long.ended, 2)
  t.match(long.err(), 'aborted in command')
  const again = pgbench('-c', '4', '-t', '20', '-C')
  t.equal(await again.ended, 0, again.err())
})

const sshd = findProgram(['sshd'], ['openssh-server'])
const ssh = findProgram(['ssh'], ['openssh-client'])
const sshKeygen = findProgram(['ssh-keygen'], ['openssh-client'])

const ownSshd = userInfo().uid === 0 ? inNamespace(sshd) : sshd

test('a shell by ssh outlives the end of its sshd, and new ones are with the other', {
  skip: without(ownSshd, ssh, sshKeygen),
}, async t => {
  const { username } = userInfo()
  const port = await freePort()
  const home = folder(t)
  const [hostKey, ownKey] = [join(home, 'host'), join(home, 'own')]
  for (const file of [hostKey, ownKey])
    t.match(await run(t, sshKeygen, ['-q', '-t', 'ed25519', '-N', '', '-f', file]), { status: 0 })
  const [first] = await both(host => {
    const settings = {
      ...{ ListenAddress: `${host}:${port}`, HostKey: hostKey, AuthorizedKeysFile: `${ownKey}.pub`, PidFile: 'none' },
      ...{ StrictModes: 'no', UsePAM: 'no', PasswordAuthentication: 'no', PermitRootLogin: 'prohibit-password' },
    }
    const args = [
      '-D',
      '-e',
      '-f',
      '/dev/null',
      ...Object.entries(settings).map(([name, value]) => `-o${name}=${value}`),
    ]
    return startDaemon(t, ownSshd, args, { host, port })
  })
  const it = await between(t, [{ name: 'ssh', protocol: 'tcp', gateway_port: port }])
  const known = ['StrictHostKeyChecking=no', `UserKnownHostsFile=${join(home, 'known')}`, 'BatchMode=yes']
  const at = ['-F', 'none', '-i', ownKey, '-p', `${it.port('ssh')}`, ...known.map(option => `-o${option}`)]
  const shell = (command: string) => begin(t, ssh, [...at, `${username}@127.0.0.1`, command])
  const member = async () => {
    const asked = shell('echo $SSH_CONNECTION')
    t.equal(await asked.ended, 0, asked.err())
    return asked.out().split(' ')[2]
  }

  t.equal(await member(), HOSTS[0])
  const go = join(home, 'go')
  const long = shell(`echo here; until [ -e ${go} ]; do sleep 0.05; done; head -c 3000000 /dev/zero | tr '\\0' x`)
  await until('it runs', async () => long.out() === 'here\n')
  await first.kill()
  t.equal(await member(), HOSTS[1])
  writeFileSync(go, '')
  t.equal(await long.ended, 0, long.err())
  t.equal(long.out(), `here\n${'x'.repeat(3_000_000)}`)
})

/** sshd of root wants a user and a folder in /run of its own: it gets them where nobody else sees them. */
function inNamespace(program: Program | string): Program | string {
  if (typeof program === 'string') return program
  if (spawnSync('unshare', ['--mount', 'true']).status !== 0) return 'no sshd as root without a mount namespace'
  const user = `sshd:x:${NOBODY}:${NOBODY}::/run/sshd:/usr/sbin/nologin`
  const mounts = [
    'mount -t tmpfs tmpfs /run',
    'mkdir -m 755 /run/sshd',
    `(cat /etc/passwd; echo ${user}) >/run/passwd`,
    'mount --bind /run/passwd /etc/passwd',
  ]
  return {
    ...program,
    path: 'unshare',
    args: ['--mount', 'sh', '-ec', `${mounts.join('; ')}; exec ${program.path} "$@"`, 'sshd'],
  }
}

function both<T>(make: (host: string) => Promise<T>): Promise<readonly [T, T]> {
  return Promise.all([make(HOSTS[0]), make(HOSTS[1])])
}

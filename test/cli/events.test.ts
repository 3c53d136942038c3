import { test } from 'tap'
import { cli } from '../../src/cli/cli.ts'
import { sentEvents } from '../../src/cli/sse.ts'
import { type TestAdmin, TOKEN, testAdmin } from '../support/admin.ts'
import { runCli } from '../support/cli.ts'
import { handClock } from '../support/hand-clock.ts'

const envOf = ({ url }: TestAdmin) => ({ GATEPOOL_URL: url, GATEPOOL_TOKEN: TOKEN })

test('events are printed oldest first, a line each', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  const { exit, out } = await runCli(['events'], envOf(it))
  t.equal(exit, 0)
  t.match(
    out,
    /^2023-11-1\d \d\d:\d\d:\d\d {2}definitions_changed .*\n2023-11-1\d \d\d:\d\d:\d\d {2}first_alive +home was heard for the first time\n.*instance_joined +home has the instance home-1\n$/,
  )
  const json = await runCli(
    ['events', '--json', '--limit', '1', '--kind', 'first_alive', '--subject', 'home'],
    envOf(it),
  )
  t.match(JSON.parse(json.out), { kind: 'first_alive', subject: 'home' })
})

/** Follows events until told to stop; `line` waits for the next one. */
function follow(env: Record<string, string>) {
  const lines: string[] = []
  const errors: string[] = []
  const stop = new AbortController()
  let tell = () => {}
  const io = {
    out: (text: string) => {
      lines.push(text)
      tell()
    },
    err: (text: string) => {
      errors.push(text)
      tell()
    },
    color: false,
    signal: stop.signal,
    confirm: null,
  }
  const ended = cli(['events', '--follow', '--json'], env, io, { run: async () => 0, demo: async () => 0 })
  const told = async (from: string[]) => {
    while (from.length === 0) {
      await new Promise<void>(resolve => {
        tell = resolve
      })
    }
    return from.shift() ?? ''
  }
  return {
    event: async () => JSON.parse(await told(lines)),
    error: () => told(errors),
    stop: () => {
      stop.abort()
      return ended
    },
  }
}

test('followed, events are printed as they happen', async t => {
  await using it = await testAdmin()
  const following = follow(envOf(it))
  t.match(await following.event(), { kind: 'definitions_changed' })
  await it.beat('home')
  t.match(await following.event(), { kind: 'first_alive', subject: 'home' })
  t.match(await following.event(), { kind: 'instance_joined', subject: 'home' })
  await it.beat('nas')
  t.match(await following.event(), { kind: 'first_alive', subject: 'nas' })
  t.equal(await following.stop(), 0)
})

test('a connection that is lost is taken up again, and nothing is told twice or never', async t => {
  const first = await testAdmin()
  const following = follow(envOf(first))
  await first.beat('home')
  t.match(await following.event(), { kind: 'definitions_changed' })
  t.match(await following.event(), { kind: 'first_alive' })
  t.match(await following.event(), { kind: 'instance_joined' })
  const { port } = first.admin.address
  await first.admin[Symbol.asyncDispose]()
  t.match(await following.error(), 'trying again')
  await using second = await testAdmin({ listen: { host: '127.0.0.1', port } })
  await second.beat('home')
  await second.beat('nas')
  // The same history up to the event that was printed last.
  t.match(await following.event(), { kind: 'first_alive', subject: 'nas' })
  t.equal(await following.stop(), 0)
  await first[Symbol.asyncDispose]()
})

test('server-sent events are read however they are cut', async t => {
  const text = 'retry: 1\n\n: hello\n\nid: 1\nevent: a\ndata: {"x":"é"}\n\nid: 2\ndata: 2\n\nid: 3\ndata: cut'
  const bytes = Buffer.from(text)
  for (const size of [1, 2, 3, 7, 1000]) {
    const chunks = async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    const events = await Array.fromAsync(sentEvents(chunks()))
    t.strictSame(events, [
      { id: '1', event: 'a', data: '{"x":"é"}' },
      { id: '2', event: '', data: '2' },
    ])
  }
  const endless = async function* () {
    for (;;) yield Buffer.alloc(2 ** 20, 'x')
  }
  await t.rejects(Array.fromAsync(sentEvents(endless())), /no end/)
})

test('events of a span of time, and of several kinds', async t => {
  const now = Date.now()
  await using it = await testAdmin({}, undefined, handClock(now - 3_600_000))
  const run = (...argv: string[]) => runCli(['events', ...argv], envOf(it))
  await it.beat('home')
  t.match((await run('--since', '2h')).out, /first_alive/)
  t.equal((await run('--since', '30m')).out, '')
  t.equal((await run('--until', '2h')).out, '')
  t.match(
    (await run('--kind', 'first_alive,gateway_down')).out,
    /^\S+ \S+ +first_alive +home was heard for the first time\n$/,
  )
  t.match(await run('--follow', '--since', '2h'), { exit: 2, err: /do not go with --follow/ })
  t.match(await run('--since', 'then'), { exit: 2 })
})

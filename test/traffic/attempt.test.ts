/** What is sent again, where, and how often: told from what each upstream got. */
import { closeSync, openSync } from 'node:fs'
import { test } from 'tap'
import { startEngine, startPool } from '../support/engine.ts'
import { until } from '../support/raw-peer.ts'
import {
  answering,
  ok,
  type RawUpstream,
  rawUpstream,
  refusingPort,
  type Script,
  silentPort,
} from '../support/raw-upstream.ts'

const request = (method: string, ...fields: string[]): string =>
  [`${method} / HTTP/1.1`, 'Host: a', ...fields, '', ''].join('\r\n')
const GET = request('GET')
const withBody = (method: string, body: string): string => request(method, `Content-Length: ${body.length}`) + body

/** Tolerant enough not to eject anybody. */
const patient = { passive: { max_fails: 1000, max_fail_ratio: 1 } } as const

/** Reads a whole request and closes without a word. */
const closing: Script = async peer => {
  await peer.request()
  peer.end()
}

/** Says what body it got. */
const echo: Script = async peer => {
  for (;;) {
    const { startLine, body } = await peer.request()
    peer.send(ok(startLine.startsWith('HEAD') ? '' : body))
  }
}

/** Requests that reached an upstream, as far as a head. */
function heads({ received }: RawUpstream): number {
  return received.match(/\r\n\r\n/g)?.length ?? 0
}

function failures(engine: Awaited<ReturnType<typeof startEngine>>, gateway: string): number {
  return [...engine.http.numbers.upstreamErrors()].find(({ labels }) => labels.gateway === gateway)?.value ?? 0
}

test('nothing was sent: any method goes elsewhere, with its body', async t => {
  await using other = await rawUpstream(echo)
  await using silent = await silentPort()
  const body = 'x'.repeat(200_000)
  const chunks = `${request('POST', 'Transfer-Encoding: chunked')}30d40\r\n${body}\r\n0\r\nX: y\r\n\r\n`
  for (const [title, first] of [
    ['refused', await refusingPort()],
    ['no connection in time', silent.port],
  ] as const) {
    await using engine = await startPool([first, other.port], { pool: patient, route: { connect_timeout: '60ms' } })
    for (const method of ['GET', 'POST', 'PATCH', 'DELETE', 'PURGE'])
      t.equal((await engine.ask(withBody(method, 'hello'))).body, 'hello', `${title}: ${method}`)
    t.equal((await engine.ask(withBody('POST', body))).body, body, `${title}: a long body`)
    t.equal((await engine.ask(chunks)).body, body, `${title}: a long body in chunks`)
    t.equal(failures(engine, 'a'), 7, `${title}: each is a failure of the first`)
  }
})

test('an idle connection that was closed meanwhile: once more to the same upstream, and nobody is blamed', async t => {
  for (const end of ['end', 'reset'] as const) {
    await using origin = await rawUpstream(async peer => {
      await peer.request()
      peer.send(ok('first'))
      await peer.text('\r\n\r\n')
      peer[end]()
    }, echo)
    await using other = await rawUpstream(echo)
    await using engine = await startPool([origin.port, other.port])
    const client = await engine.connect()
    client.send(GET)
    t.equal((await client.answer()).body, 'first')
    client.send(withBody('PUT', 'again'))
    t.equal((await client.answer()).body, 'again', end)
    t.equal(origin.connections.length, 2, `${end}: a fresh connection`)
    t.equal(other.connections.length, 0, `${end}: the other was not asked`)
    t.equal(failures(engine, 'a'), 0, `${end}: no failure`)
    client.close()
  }
})

test('a POST that was lost on an idle connection is not sent again', async t => {
  await using origin = await rawUpstream(async peer => {
    await peer.request()
    peer.send(ok('first'))
    await peer.request()
    peer.end()
  }, echo)
  await using other = await rawUpstream(echo)
  await using engine = await startPool([origin.port, other.port])
  await engine.ask(GET)
  t.equal((await engine.ask(withBody('POST', 'once'))).status, 502)
  t.equal(heads(origin) + heads(other), 2)
})

test('closed before an answer: idempotent requests go elsewhere, others never', async t => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH', 'PURGE']) {
    await using origin = await rawUpstream(closing)
    await using other = await rawUpstream(echo)
    await using engine = await startPool([origin.port, other.port], { pool: patient })
    const idempotent = !['POST', 'PATCH', 'PURGE'].includes(method)
    const answer = await engine.ask(withBody(method, 'hello'), { toHead: method === 'HEAD' })
    t.equal(answer.status, idempotent ? 200 : 502, method)
    t.equal(heads(origin), 1, `${method}: once to the first`)
    t.equal(heads(other), idempotent ? 1 : 0, `${method}: to the other`)
    t.strictSame(engine.retries(), idempotent ? { closed: 1 } : {}, method)
  }
})

test('a body is sent again as long as all of it is held', async t => {
  for (const [size, status] of [
    [65_536, 200],
    [65_537, 502],
    [500_000, 502],
  ] as const) {
    await using origin = await rawUpstream(closing)
    await using other = await rawUpstream(echo)
    await using engine = await startPool([origin.port, other.port], { pool: patient })
    const body = 'abcdefgh'.repeat(size / 8 + 1).slice(0, size)
    const answer = await engine.ask(withBody('PUT', body))
    t.equal(answer.status, status, `${size} bytes`)
    if (status === 200) t.equal(answer.body, body, `${size} bytes are intact`)
    else t.equal(other.connections.length, 0, `${size} bytes are too many`)
  }

  await t.test('in chunks, with trailers', async t => {
    await using origin = await rawUpstream(closing)
    await using other = await rawUpstream(echo)
    await using engine = await startPool([origin.port, other.port], { pool: patient })
    await engine.ask(
      `${request('PUT', 'Transfer-Encoding: chunked')}5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n`,
    )
    t.ok(other.received.endsWith('5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n'))
  })

  await t.test('one that is still arriving', async t => {
    await using origin = await rawUpstream(async peer => {
      await peer.text('hello')
      peer.end()
    })
    await using other = await rawUpstream(echo)
    await using engine = await startPool([origin.port, other.port], { pool: patient })
    const client = await engine.connect()
    client.send(`${request('PUT', 'Content-Length: 11')}hello`)
    await (await other.connection(0)).text('hello')
    client.send(' world')
    const whole = await other.connection(0)
    await whole.text(' world')
    t.ok(whole.received.endsWith('\r\n\r\nhello world'))
    client.close()
  })
})

test('no answer in time: an idempotent request goes elsewhere, and the wait does not count against `within`', async t => {
  await using origin = await rawUpstream(peer => peer.text('never'))
  await using other = await rawUpstream(echo)
  await using engine = await startPool([origin.port, other.port], {
    pool: patient,
    route: { response_timeout: '50ms', retry: { within: '10ms' } },
  })
  t.equal((await engine.ask(withBody('PUT', 'hello'))).body, 'hello')
  t.equal((await engine.ask(withBody('POST', 'hello'))).status, 504)
  t.equal(heads(other), 1)
})

test('tries', async t => {
  const origins = await Promise.all(Array.from({ length: 4 }, () => rawUpstream(closing)))
  const asked = () => origins.map(heads)
  const ports = origins.map(({ port }) => port)
  {
    await using engine = await startPool(ports, { pool: patient, route: { retry: { tries: 3 } } })
    const answer = await engine.ask(GET)
    t.equal(answer.status, 502, 'there would be another, but three were tried')
    t.strictSame(asked(), [1, 1, 1, 0], 'in order, each once')
  }
  {
    await using engine = await startPool(ports, { pool: patient, route: { retry: { tries: 1 } } })
    t.equal((await engine.ask(GET)).status, 502)
    t.strictSame(asked(), [2, 1, 1, 0])
  }
  {
    await using engine = await startPool(ports, { pool: patient, route: { retry: { tries: 9 } } })
    t.equal((await engine.ask(GET)).status, 503, 'nobody is left')
    t.strictSame(asked(), [3, 2, 2, 1])
  }
  for (const origin of origins) await origin[Symbol.asyncDispose]()
})

test('no new try after `within`', async t => {
  await using origin = await rawUpstream(async peer => {
    await peer.request()
    await new Promise(resolve => setTimeout(resolve, 30))
    peer.end()
  })
  await using other = await rawUpstream(echo)
  await using engine = await startPool([origin.port, other.port], {
    pool: patient,
    route: { retry: { within: '10ms' } },
  })
  t.equal((await engine.ask(GET)).status, 502)
  t.equal(other.connections.length, 0)
})

test('the retry budget', async t => {
  const flood = async (first: number, other: RawUpstream, count: number) => {
    const engine = await startPool([first, other.port], { pool: patient })
    const client = await engine.connect()
    client.send(GET.repeat(count))
    let good = 0
    for (let i = 0; i < count; i++) if ((await client.answer()).status === 200) good++
    client.close()
    const retries = engine.retries()
    await engine[Symbol.asyncDispose]()
    return { good, retries }
  }
  await using other = await rawUpstream(echo)

  await t.test('bounds retries behind malformed answers', async t => {
    const count = 2000
    let asked = 0
    await using origin = await rawUpstream(async peer => {
      for (;;) {
        await peer.request()
        // A good one now and then: it is not to be ejected.
        peer.send(++asked % 400 === 0 ? ok('fine') : 'nonsense\r\n\r\n')
      }
    })
    const { good, retries } = await flood(origin.port, other, count)
    // 1000 at the start and 0.2 for each request; what time adds meanwhile is little.
    t.ok(good >= 1400 && good < count - 100, `${good} of ${count} were served`)
    t.equal(retries.malformed, good - Math.floor(asked / 400))
    t.equal(retries.budget, count - good)
  })

  await t.test('does not count what was never sent', async t => {
    t.equal((await flood(await refusingPort(), other, 200)).good, 200)
  })

  await t.test('nor a first retry behind a connection that broke: a death makes everybody retry at once', async t => {
    await using origin = await rawUpstream(closing)
    t.equal((await flood(origin.port, other, 200)).good, 200)
  })
})

test('a member that hangs right after the start: everybody who waits for it is served by another', async t => {
  const clients = 300
  await using hangs = await rawUpstream(() => undefined)
  await using other = await rawUpstream(echo)
  await using engine = await startPool([hangs.port, other.port], { route: { response_timeout: '2s' } })
  const answers = await Promise.all(Array.from({ length: clients }, () => engine.ask(GET)))
  t.equal(answers.filter(({ status }) => status === 200).length, clients)
})

test('what our own process lacks is not held against an upstream', async t => {
  await using origin = await rawUpstream(answering(ok('fine')))
  await using engine = await startPool([origin.port])
  const [early, late] = await Promise.all([engine.connect(), engine.connect()])
  await until(() => [...engine.http.numbers.connectionsActive()][0]?.value === 2, 'both were accepted')
  const files: number[] = []
  try {
    for (;;) files.push(openSync('/dev/null', 'r'))
  } catch (error) {
    t.equal((error as NodeJS.ErrnoException).code, 'EMFILE')
  }
  early.send(GET)
  const answer = await early.answer()
  for (const file of files) closeSync(file)
  t.equal(answer.status, 503)
  t.match(answer.field('proxy-status'), 'error=proxy_internal_error')
  t.equal(JSON.parse(answer.body).code, 'dial_failed')
  t.equal([...engine.http.numbers.upstreamErrors()].length, 0)
  t.strictSame(engine.state.snapshot.world.sight.passive, {})
  late.send(GET)
  t.equal((await late.answer()).body, 'fine')
  early.close()
  late.close()
})

test('nobody is left: the outage page', async t => {
  await using engine = await startEngine({
    gateways: [{ name: 'a', address: '127.0.0.1', http_port: await refusingPort() }],
    pools: [
      { name: 'all', members: ['a'], outage_message: 'Back <b>soon</b> & "well".' },
      { name: 'nobody', members: [] },
    ],
    routes: [
      { name: 'app', target: { pool: 'all' } },
      { name: 'empty', match: { path: '/empty' }, target: { pool: 'nobody' } },
    ],
  })
  const page = await engine.ask(request('POST', 'Accept: text/html', 'Content-Length: 0'))
  t.equal(page.status, 503)
  t.match(page.body, 'Back &lt;b&gt;soon&lt;/b&gt; &amp; &quot;well&quot;.')
  t.equal(page.field('retry-after'), '10', 'at the latest when somebody would be heard of')
  t.match(page.field('proxy-status'), 'error=destination_unavailable')
  const problem = await engine.ask(GET)
  t.has(JSON.parse(problem.body), { status: 503, code: 'pool_outage', detail: 'Back <b>soon</b> & "well".' })
  const empty = await engine.ask(GET.replace('/', '/empty'))
  t.equal(empty.status, 503)
  t.ok(Number(empty.field('retry-after')) >= 1)
})

test('retry.on_status', async t => {
  const busy = answering('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy')
  await using origin = await rawUpstream(busy)
  await using other = await rawUpstream(echo)
  await using third = await rawUpstream(busy)
  const route = { retry: { on_status: [503] } }
  {
    await using engine = await startPool([origin.port, other.port], { pool: patient, route })
    t.equal((await engine.ask(withBody('PUT', 'hello'))).body, 'hello')
    t.strictSame(engine.retries(), { status: 1 })
    t.equal(failures(engine, 'a'), 1, 'a failure of the first all the same')
    const posted = await engine.ask(withBody('POST', 'hello'))
    t.match(posted, { status: 503, body: 'busy' }, 'a POST is not sent again')
    t.equal(engine.inFlight(), 0)
  }
  {
    await using engine = await startPool([origin.port, third.port], { pool: patient, route })
    t.match(await engine.ask(GET), { status: 503, body: 'busy' }, 'when nobody else is left the answer stands')
    t.equal(failures(engine, 'a') + failures(engine, 'b'), 2)
  }
  {
    await using engine = await startPool([origin.port, other.port], { route })
    for (let i = 0; i < 3; i++) await engine.ask(GET)
    t.match(engine.facts[0], { kind: 'member_ejected', subject: 'a', cause: 'status' }, 'and it ejects')
  }
  {
    const blaming = 'HTTP/1.1 503 Busy\r\nProxy-Status: agent; error=connection_refused\r\nContent-Length: 0\r\n\r\n'
    await using agent = await rawUpstream(answering(blaming))
    await using engine = await startPool([agent.port, other.port], { route })
    for (let i = 0; i < 5; i++)
      t.equal((await engine.ask(GET)).status, 200, 'another gateway may reach what it does not')
    t.strictSame(engine.retries(), { status: 5 })
    t.equal(failures(engine, 'a'), 0, 'nor is a gateway blamed whose backend is dead')
    t.strictSame(engine.facts, [])
  }
})

test('passive health: three failures in a row eject, a passed trial brings back', async t => {
  const failing: Record<string, { script: Script; cause: string }> = {
    'answers that are malformed': { script: answering('nonsense\r\n\r\n'), cause: 'malformed' },
    'connections that break': { script: closing, cause: 'closed' },
    'bodies that are cut short': {
      script: async peer => {
        await peer.request()
        peer.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
      },
      cause: 'body_cut',
    },
    'a bad status': {
      script: answering('HTTP/1.1 502 Bad\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'),
      cause: 'status',
    },
  }
  await Promise.all(
    Object.entries(failing).map(async ([title, { script, cause }]) => {
      let ill = true
      await using origin = await rawUpstream(peer => (ill ? script(peer) : answering(ok('a'))(peer)))
      await using other = await rawUpstream(answering(ok('b')))
      await using engine = await startPool([origin.port, other.port], {
        pool: { failback_cooldown: '0s', passive: { ejection: '1s' } },
        trials: true,
      })
      const ask = async () => {
        const client = await engine.connect()
        client.send(GET)
        const answer = await client.answer().catch(() => undefined)
        client.close()
        return answer
      }
      for (let i = 0; i < 3; i++) {
        t.equal(engine.facts.length, 0, `${title}: ${i} failures`)
        await ask()
      }
      await until(() => engine.facts.length > 0, 'it is told')
      t.match(engine.facts[0], { kind: 'member_ejected', subject: 'a', cause }, title)
      const before = heads(origin)
      t.equal((await ask())?.body, 'b', `${title}: the other serves`)
      t.equal(heads(origin), before, `${title}: it is left alone`)
      ill = false
      await until(() => engine.facts.some(({ kind }) => kind === 'member_returned'), 'it is back')
      t.equal((await ask())?.body, 'a', `${title}: it serves again`)
    }),
  )
})

test('a good answer between failures: nobody is ejected', async t => {
  let count = 0
  await using origin = await rawUpstream(async peer => {
    await peer.request()
    peer.end(++count % 3 === 0 ? ok('a', 'Connection: close') : '')
  })
  await using other = await rawUpstream(answering(ok('b')))
  await using engine = await startPool([origin.port, other.port])
  for (let i = 0; i < 12; i++) await engine.ask(GET)
  t.equal(heads(origin), 12)
  t.equal(engine.facts.length, 0)
})

test('nor by failures around a good answer that was a retry’s', async t => {
  let count = 0
  await using origin = await rawUpstream(closing)
  await using other = await rawUpstream(async peer => {
    await peer.request()
    peer.end(++count === 3 ? ok('b', 'Connection: close') : '')
  })
  await using engine = await startPool([origin.port, other.port])
  const statuses: number[] = []
  for (let i = 0; i < 5; i++) statuses.push((await engine.ask(GET)).status)
  t.strictSame(statuses, [503, 503, 200, 503, 503])
  // The first is out by the third request, and the other would be failing with its third failure in a row.
  t.notOk(engine.facts.some(({ kind }) => kind === 'pool_outage_started'))
})

test('the last member that could serve stays, and its pool is failing', async t => {
  await using origin = await rawUpstream(closing)
  await using engine = await startPool([origin.port])
  for (let i = 0; i < 5; i++) await engine.ask(withBody('POST', ''))
  t.equal(heads(origin), 5, 'it is still asked')
  t.strictSame(
    engine.facts.map(({ kind }) => kind),
    ['pool_outage_started'],
  )
})

test('ip_hash goes by the client that a trusted proxy names', async t => {
  const origins = await Promise.all(['a', 'b', 'c'].map(name => rawUpstream(answering(ok(name)))))
  await using engine = await startPool(
    origins.map(({ port }) => port),
    {
      pool: { mode: 'load_balancing', lb_policy: 'ip_hash' },
      listener: { trusted_proxies: ['127.0.0.1'] },
    },
  )
  const from = async (address: string) => (await engine.ask(request('GET', `X-Forwarded-For: ${address}`))).body
  const first = new Map<string, string>()
  for (let i = 0; i < 30; i++) first.set(`203.0.113.${i}`, await from(`203.0.113.${i}`))
  t.equal(new Set(first.values()).size, 3, 'clients are spread')
  for (const [address, gateway] of first) t.equal(await from(address), gateway, `${address} stays`)
  for (const origin of origins) await origin[Symbol.asyncDispose]()
})

import { test } from 'tap'
import { type AccessLine, createAccessLog } from '../../src/telemetry/access.ts'

const line: AccessLine = {
  listener: 'web',
  route: 'app',
  pool: 'all',
  gateway: 'a',
  method: 'GET',
  host: 'a.example',
  path: '/x',
  status: 200,
  bytes: 120,
  duration_ms: 1.5,
  client: '192.0.2.7',
  request_id: 'id-1',
  attempts: 1,
  reason: null,
}

test('a request is one line of JSON, with who logged it and when', async t => {
  const written: string[] = []
  const destination = { write: (text: string) => void written.push(text) }
  const options = { cluster: 'home', replica: 'one', sample: 1, random: () => 0.999, destination }
  await using log = createAccessLog(options)
  t.equal(log.wants(), true)
  log.write({ ...line, path: '/"\u2028\\' })
  t.equal(written.length, 1)
  const { time, ...rest } = JSON.parse(written[0] ?? '')
  t.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  t.strictSame(rest, {
    level: 'info',
    cluster: 'home',
    replica: 'one',
    msg: 'request',
    ...line,
    path: '/"\u2028\\',
  })
  t.equal(written[0]?.indexOf('\n'), (written[0]?.length ?? 0) - 1)
})

test('a sample is that share of the requests', async t => {
  let next = 0
  const random = () => (next++ % 10) / 10
  await using log = createAccessLog({
    cluster: 'home',
    replica: 'one',
    sample: 0.3,
    random,
    destination: { write() {} },
  })
  t.equal(Array.from({ length: 100 }, () => log.wants()).filter(wanted => wanted).length, 30)
})

import { test } from 'tap'
import { serveMetrics } from '../../src/telemetry/metrics-listener.ts'

test('the page is there without a token, and nothing else is', async t => {
  let page = async () => 'gatepool_up 1\n'
  await using listener = await serveMetrics({ host: '127.0.0.1', port: 0 }, () => page())
  const at = `http://127.0.0.1:${listener.address.port}`
  const found = await fetch(`${at}/metrics?format=text`)
  t.equal(found.status, 200)
  t.equal(found.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  t.equal(await found.text(), 'gatepool_up 1\n')
  t.equal((await fetch(`${at}/metrics`, { method: 'HEAD' })).status, 200)
  t.equal((await fetch(`${at}/metrics`, { method: 'POST', body: 'x' })).status, 405)
  for (const path of ['/', '/api/v1/status', '/metrics/', '//metrics'])
    t.equal((await fetch(at + path)).status, 404, path)
  page = () => Promise.reject(new Error('no'))
  t.equal((await fetch(`${at}/metrics`)).status, 500)
})

test('a place that is taken is told to whoever starts it', async t => {
  const page = async () => ''
  await using first = await serveMetrics({ host: '127.0.0.1', port: 0 }, page)
  await t.rejects(serveMetrics(first.address, page), { code: 'EADDRINUSE' })
})

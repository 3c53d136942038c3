import runAutocannon from 'autocannon'
import type { HttpRequest } from '../rows.ts'
import type { Asked, LoadTool } from './load.ts'

/** Where wrk is not to be had. It is the first to be busy, so that fast proxies wait for it. */
export const autocannon: LoadTool<'http'> = {
  name: 'autocannon',
  command: asked => ({ file: process.execPath, args: [import.meta.filename, JSON.stringify(asked)] }),
  read: stdout => JSON.parse(stdout),
}

if (import.meta.main) {
  const asked: Asked<{ kind: 'http'; request: HttpRequest }> = JSON.parse(process.argv[2] ?? '')
  const { method, path, fields, body } = asked.work.request
  const { requests, non2xx, errors, timeouts, duration, latency } = await runAutocannon({
    url: `http://127.0.0.1:${asked.port}${path}`,
    connections: asked.connections,
    duration: asked.seconds,
    timeout: 5,
    method,
    headers: Object.fromEntries(fields),
    ...(body > 0 ? { body: 'x'.repeat(body) } : {}),
  })
  const failed = non2xx + errors + timeouts
  console.log(
    JSON.stringify({ requests: requests.total, failed, seconds: duration, p50: latency.p50, p99: latency.p99 }),
  )
}

import { writeFileSync } from 'node:fs'
import { headOf } from '../rows.ts'
import type { LoadTool } from './load.ts'

export const wrk: LoadTool<'http'> = {
  name: 'wrk',
  command({ port, connections, seconds, work: { request } }, script) {
    // A JSON string of ASCII is a Lua string too.
    const head = JSON.stringify(headOf(request))
    writeFileSync(script, `local text = ${head} .. string.rep("x", ${request.body})\n${SCRIPT}`)
    const options = { threads: 1, connections, duration: `${seconds}s`, timeout: '5s', script }
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
    return { file: 'wrk', args: [...flags, `http://127.0.0.1:${port}/`] }
  },
  read(stdout) {
    const { requests, failed, microseconds, p50, p99 } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    return { requests, failed, seconds: microseconds / 1e6, p50: p50 / 1000, p99: p99 / 1000 }
  },
}

/** `wrk.request` and not a global `request`: wrk then asks once for the text instead of for every request. */
const SCRIPT = `wrk.init = function() end
wrk.request = function() return text end
function done(summary, latency)
  local e = summary.errors
  print(string.format('{"requests":%d,"failed":%d,"microseconds":%d,"p50":%d,"p99":%d}', summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
`

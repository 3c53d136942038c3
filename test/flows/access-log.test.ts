/** The access log of the whole program: what is gathered is on stdout when it ends. */
import { test } from 'tap'
import { runProgram } from '../support/program.ts'

const sample = (logging: string) => `
version: 1
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
logging: { level: warn, ${logging} }
listeners:
  - { name: web, listen: 127.0.0.1:0 }
routes:
  - { name: robots, match: { path: /robots.txt }, target: { respond: { body: "Disallow: /" } } }
`

function requestsLogged(out: string): Record<string, unknown>[] {
  const lines = out.trimEnd().split('\n')
  return lines.map(text => JSON.parse(text || '{}')).filter(({ msg }) => msg === 'request')
}

test('every request has a line when the program ends, whatever the level of the log', async t => {
  const { url, signal, ended } = await runProgram(t, sample('access: true'))
  for (let i = 0; i < 3; i++) t.equal(await (await fetch(`${url.web}/robots.txt?${i}`)).text(), 'Disallow: /')
  t.equal((await fetch(`${url.web}/`, { headers: { authorization: 'Basic c2VjcmV0' } })).status, 404)
  signal('SIGTERM')
  const { code, out } = await ended
  t.equal(code, 0)
  const common = { level: 'info', listener: 'web', method: 'GET', host: '127.0.0.1', client: '127.0.0.1' }
  const robots = { ...common, route: 'robots', path: '/robots.txt', status: 200, reason: null }
  t.match(requestsLogged(out), [robots, robots, robots, { ...common, path: '/', status: 404, reason: 'no_route' }])
  t.notMatch(out, 'c2VjcmV0')
})

test('without the access log there is no such line', async t => {
  const { url, signal, ended } = await runProgram(t, sample('access: false'))
  t.equal((await fetch(`${url.web}/robots.txt`)).status, 200)
  signal('SIGTERM')
  t.strictSame(requestsLogged((await ended).out), [])
})

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { TOKEN, testAdmin } from '../support/admin.ts'
import { runCli } from '../support/cli.ts'

test('a webhook is made, listed, tried and deleted', async t => {
  await using it = await testAdmin()
  const run = (...argv: string[]) => runCli(['webhook', ...argv], { GATEPOOL_URL: it.url, GATEPOOL_TOKEN: TOKEN })
  const server = createServer((_, response) => response.end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/told`
  t.match(await run('create', 'chat', '--url', url, '--kinds', 'gateway_down', '--allow-private'), {
    exit: 0,
    out: /^whsec_\S+\n$/,
    err: 'webhook chat is made: keep its secret, it is not told again\n',
  })
  t.match((await run('list')).out, /^WEBHOOK +URL +EVENTS +LAST +STATE\nchat +http:\S+\/told +gateway_down +- +well$/m)
  t.match(await run('test', 'none'), { exit: 3 })
  t.match(await run('create', 'other', '--url', url, '--kinds', 'gateway_dwn'), {
    exit: 1,
    err: /kinds\[0\]: .*gateway_down/,
  })
  t.match(await run('delete', 'chat', '--yes'), { exit: 0, err: 'webhook chat is deleted\n' })
  t.match(await run('list', '--json'), { out: '[]\n' })
})

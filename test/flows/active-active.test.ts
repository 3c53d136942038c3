/**
 * The sample of two mirrored pools, as it is in the repository: both gateways work, one dies, the other does it all, and each gets back
 * what is its own.
 */
import { type Test, test } from 'tap'
import { request } from 'undici'
import { startGateway } from '../../src/demo/gateways.ts'
import { activeActive } from '../support/active-active.ts'
import { load } from '../support/cannon.ts'
import { ADMIN_TOKEN, runProgram } from '../support/program.ts'

async function start(t: Test, name: string) {
  const gateway = await startGateway(name, ADMIN_TOKEN)
  t.teardown(() => gateway[Symbol.asyncDispose]())
  return gateway
}

test('two mirrored pools: both gateways serve, and each stands in for the other', async t => {
  const [home, garage] = await Promise.all([start(t, 'home'), start(t, 'garage')])
  const program = await runProgram(t, activeActive({ home: home.port, garage: garage.port }))
  for (const gateway of [home, garage]) gateway.beatAt(String(program.url.admin))
  await Promise.all([program.fact('first_alive', 'home'), program.fact('first_alive', 'garage')])
  const web = String(program.url.web)
  const server = async (host: string) => {
    const { headers, body } = await request(web, { headers: { host } })
    await body.dump()
    return headers['x-served-by']
  }
  const who = async () => ({ photos: await server('photos.example.com'), files: await server('files.example.com') })
  t.strictSame(await who(), { photos: 'home', files: 'garage' })

  const loads = await Promise.all(['photos', 'files'].map(name => load(t, web, { host: `${name}.example.com` })))
  home.kill()
  t.match(await program.fact('pool_failover_activated', 'home-first'), { from: 'home', to: 'garage' })
  await program.fact('gateway_down', 'home')
  t.strictSame(await who(), { photos: 'garage', files: 'garage' })

  await home.revive()
  t.match(await program.fact('gateway_alive', 'home'), { pools: ['home-first', 'garage-first'] })
  t.match(await program.fact('pool_failover_restored', 'home-first'), { to: 'home' })
  for (const one of loads) await one.endsWithoutLoss()
  t.strictSame(await who(), { photos: 'home', files: 'garage' })
})

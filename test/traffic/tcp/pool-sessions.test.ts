/** What becomes of TCP connections when their member goes down, is drained, or hands its traffic back. */
import { test } from 'tap'
import type { Holds, Liveness, Pool } from '../../../src/core/nouns.ts'
import { EMPTY } from '../../../src/core/store.ts'
import { startL4, tcpPool } from '../../support/l4.ts'
import { rest, until } from '../../support/raw-peer.ts'
import { rawMembers } from '../../support/raw-upstream.ts'
import { down, drained, livenessOf, up } from '../../support/world.ts'

/** Two gateways that beat, in one failover pool, with one TCP route to it. */
async function stage(sessions: Partial<Pool['sessions']>) {
  const members = await rawMembers(
    peer => peer.send('a'),
    peer => peer.send('b'),
  )
  const written = tcpPool(['a', 'b'], members[0]?.port ?? 0, { pool: { sessions } })
  const gateways = written.gateways?.map(gateway => ({ ...gateway, liveness: 'heartbeat' as const }))
  const l4 = await startL4({ ...written, gateways }, { known: { records: { a: up, b: up } } })
  let revision = 1
  const commit = (documents: { readonly liveness?: Liveness; readonly holds?: Holds }) => {
    revision++
    const versioned = Object.fromEntries(Object.entries(documents).map(([name, value]) => [name, { revision, value }]))
    l4.state.apply({ kind: 'committed', documents: versioned, facts: [], at: Date.now() })
  }
  const connect = async (name: string) => {
    const client = await l4.connect('tcp')
    await client.text(name)
    return client
  }
  return {
    connect,
    inFlight: () => l4.inFlight(),
    know: (records: Liveness['gateways']) => commit({ liveness: livenessOf(records) }),
    hold: (name: string) => commit({ holds: { ...EMPTY.holds, gateways: { [name]: [drained] } } }),
    async [Symbol.asyncDispose]() {
      await l4[Symbol.asyncDispose]()
      for (const member of members) await member[Symbol.asyncDispose]()
    },
  }
}

const steps: Readonly<Record<keyof Pool['sessions'], (it: Awaited<ReturnType<typeof stage>>) => void>> = {
  on_down: ({ know }) => know({ a: down, b: up }),
  on_drain: ({ hold }) => hold('a'),
  on_failback: ({ know }) => know({ a: up, b: up }),
}

for (const [setting, step] of Object.entries(steps)) {
  test(`${setting}: close`, async t => {
    await using it = await stage({ [setting]: 'close' })
    const failedOver = setting === 'on_failback'
    if (failedOver) it.know({ a: down, b: up })
    const client = await it.connect(failedOver ? 'b' : 'a')
    step(it)
    t.not(await client.ended(), 'open')
    await until(() => it.inFlight() === 0, 'nothing runs')
    t.ok(await it.connect(failedOver ? 'a' : 'b'), 'whoever comes again is elsewhere')
  })

  test(`${setting}: as it is without a word the connection goes on`, async t => {
    const others = Object.keys(steps).filter(name => name !== setting)
    await using it = await stage(Object.fromEntries(others.map(name => [name, 'close'])))
    const failedOver = setting === 'on_failback'
    if (failedOver) it.know({ a: down, b: up })
    const client = await it.connect(failedOver ? 'b' : 'a')
    step(it)
    t.equal(await rest(() => it.inFlight()), 1)
    t.equal(client.ending, 'open')
  })
}

/**
 * A rehearsal: a gateway is taken out on purpose, what becomes of its pools is watched, and it is put back. It is put back whatever happens:
 * after the time, at Ctrl-C, and by itself where nobody is left to do it, since the hold has an end. Or somebody breaks it by other means
 * (`--fail`): a hold shows who takes over, only a failure shows how soon that is noticed and what it costs.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { span } from '../admin/contract/span.ts'
import { duration, nameArgument } from './arguments.ts'
import { type Client, createClient } from './client.ts'
import { begin, between, errorsByPool, type PoolReport, passed, see, words } from './game-day-watch.ts'
import { EXIT } from './io.ts'
import { plain } from './print.ts'
import { type AddCommand, command, fail, type Json, pretty, type Session, type Sure, sure, withYes } from './session.ts'

/** Ms between two looks. */
const LOOK = 50
/** Ms by which the hold outlasts us, so that it is we who end it as long as we can. */
const MARGIN = 5_000
/** Ms that the gateway may take to serve again once it is put back. */
const BACK = 10_000

interface Options extends Json, Sure {
  readonly for: string
  readonly fail?: true
}

export const addGameDay: AddCommand = (parent, session) => {
  withYes(
    command(
      parent,
      'game-day',
      'rehearse a failure: drain a gateway for a while, watch who takes over, put it back, report; exit 1 if traffic suffered',
      'game-day home --for 1m',
      'game-day home --fail --for 5m',
    ),
  )
    .argument('<gateway>', 'the gateway that is taken out', nameArgument)
    .option('--for <time>', 'for how long', '30s')
    .option('--fail', 'do not drain it: break it yourself and mend it, while that is watched')
    .action((gateway: string, options: Options) => rehearse(session, gateway, options))
}

async function rehearse(session: Session, gateway: string, options: Options): Promise<void> {
  const length = await duration(options.for)
  const client = await createClient(session.env)
  if ('kind' in client) return fail(session, client)
  const known = await client.call('GET /api/v1/gateways/:name', { params: { name: gateway } })
  if (known.kind === 'failure') return fail(session, known)
  if (known.body.holds.length > 0) {
    // Putting it back would lift a hold that is perhaps our own of before.
    session.io.err(`gatepool: ${gateway} is held already, so that there is nothing to rehearse\n`)
    return session.ends(EXIT.failure)
  }
  const fails = options.fail === true
  const supposed = fails ? { down: [gateway], held: [] } : { down: [], held: [gateway] }
  const foretold = await client.call('POST /api/v1/simulate', { body: supposed })
  if (foretold.kind === 'failure') return fail(session, foretold)
  const served = foretold.body.pools.filter(({ was }) => was.includes(gateway))
  const dark = served.filter(({ serving }) => serving.length === 0).map(({ name }) => name)
  if (dark.length > 0 && !(await sure(session, options, `nobody would be left to serve ${dark.join(', ')}. Go on?`)))
    return
  const reports = served.map(({ name, was }) => begin({ name, serving: was, health: 'green' }))

  // From here on Ctrl-C ends the rehearsal and not the process, which has something to put back.
  const stopping = new AbortController()
  const stop = () => stopping.abort()
  process.on('SIGINT', stop).on('SIGTERM', stop)
  try {
    const json = options.json === true
    await (fails ? witness : act)({ session, client, gateway, length, reports, json, stopped: stopping.signal })
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

interface Rehearsal {
  readonly session: Session
  readonly client: Client
  readonly gateway: string
  /** Ms. */
  readonly length: number
  readonly reports: readonly PoolReport[]
  readonly json: boolean
  /** Fires at Ctrl-C. */
  readonly stopped: AbortSignal
}

/** Drains the gateway, watches, and puts it back. */
async function act(rehearsal: Rehearsal): Promise<void> {
  const { session, client, gateway, length, reports, stopped } = rehearsal
  const { io } = session
  const say = sayer(session)
  const before = await errorsByPool(client, 'attempts', io.signal)
  const from = Date.now()
  const until = from + length + MARGIN
  const body = { reason: 'drain', note: 'game day', until } as const
  const held = await client.call('POST /api/v1/gateways/:name/drain', { params: { name: gateway }, body })
  if (held.kind === 'failure') return fail(session, held)
  say(
    `${gateway} is drained for ${span(length)}, and comes back by itself ${span(MARGIN)} later if the connection is lost`,
  )
  const enough = AbortSignal.any([io.signal, stopped, AbortSignal.timeout(length)])
  let unseen = await watch(client, enough, row => {
    const report = reports.find(({ pool }) => pool === row.name)
    if (report) see(report, gateway, row, Date.now() - from, false)
  })

  const lifted = await putBack(client, gateway, until)
  say(lifted ? `${gateway} is put back` : `${gateway} could not be put back: its hold ends by itself`)
  const back = Date.now()
  const isBack = new AbortController()
  unseen += await watch(client, AbortSignal.any([isBack.signal, AbortSignal.timeout(BACK)]), row => {
    const report = reports.find(({ pool }) => pool === row.name)
    if (report) see(report, gateway, row, Date.now() - back, true)
    if (reports.every(({ back_after }) => back_after !== null)) isBack.abort()
  })
  const after = await errorsByPool(client, 'attempts', AbortSignal.timeout(BACK))
  conclude(rehearsal, unseen, lifted, between(before, after))
}

/** Watches what becomes of the pools while somebody breaks the gateway and mends it, until all are as before or the time is over. */
async function witness(rehearsal: Rehearsal): Promise<void> {
  const { session, client, gateway, length, reports, stopped } = rehearsal
  const { io } = session
  const say = sayer(session)
  const before = await errorsByPool(client, 'answers', io.signal)
  say(`break ${gateway} now: what happens is watched for ${span(length)}`)
  const from = Date.now()
  const isBack = new AbortController()
  const enough = AbortSignal.any([io.signal, stopped, isBack.signal, AbortSignal.timeout(length)])
  const unseen = await watch(client, enough, row => {
    const report = reports.find(({ pool }) => pool === row.name)
    if (report === undefined) return
    const wasOut = report.taken_over_after !== null
    see(report, gateway, row, Date.now() - from, wasOut)
    if (!wasOut && report.taken_over_after !== null)
      say(`${row.name} is served by ${row.serving.join(', ') || 'nobody'}: mend ${gateway}`)
    if (reports.every(({ back_after }) => back_after !== null)) isBack.abort()
  })
  const after = await errorsByPool(client, 'answers', AbortSignal.timeout(BACK))
  conclude(rehearsal, unseen, true, between(before, after))
}

const sayer =
  ({ io }: Session) =>
  (text: string) =>
    io.err(`${plain(text)}\n`)

/** Reports, and ends with the status that says whether all went as it should. */
function conclude(
  { session, gateway, reports, json }: Rehearsal,
  unseen: number,
  lifted: boolean,
  errors: (pool: string) => number | null,
): void {
  const { io, ends } = session
  for (const report of reports) report.errors = errors(report.pool)
  const isGood = lifted && unseen === 0 && reports.every(passed)
  if (json) io.out(pretty({ gateway, passed: isGood, unseen, pools: reports }))
  else if (reports.length === 0) io.out(`${gateway} served no pool\n`)
  else io.out(reports.map(report => `${plain(words(report))}\n`).join(''))
  if (unseen > 0) sayer(session)(`of the looks at gatepool, ${unseen} found nobody`)
  ends(isGood ? EXIT.ok : EXIT.failure)
}

/** Shows `see` every pool again and again until `signal` fires. Answers how many looks found nobody. */
async function watch(
  client: Client,
  signal: AbortSignal,
  see: (row: { name: string; serving: string[]; health: PoolReport['health'] }) => void,
): Promise<number> {
  let unseen = 0
  while (!signal.aborted) {
    const got = await client.list('GET /api/v1/gateway-pools')
    if (got.kind === 'failure') unseen++
    else for (const row of got.body) see(row)
    await pause(LOOK, undefined, { signal }).catch(() => undefined)
  }
  return unseen
}

/** Lifts the hold, as often as it takes until `until` (ms since 1970). False: it was not possible. */
async function putBack(client: Client, gateway: string, until: number): Promise<boolean> {
  for (;;) {
    const query = { reason: 'drain' }
    const got = await client.call('DELETE /api/v1/gateways/:name/drain', { params: { name: gateway }, query })
    if (got.kind === 'got') return true
    if (Date.now() > until) return false
    await pause(LOOK)
  }
}

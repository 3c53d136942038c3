/** Holds what admins were told against the audit chain, which is the order in which things were done, the history, and what stands. */
import { isDeepStrictEqual } from 'node:util'
import type { Test } from 'tap'
import type { TestReplica } from './replicas.ts'
import { until } from './until.ts'

/** What somebody asked for and was told. */
export interface Operation {
  /** That of its record in the audit chain. */
  readonly mark: string
  /** Ms. */
  readonly began: number
  readonly ended: number
  /** `unknown`: it may have been done. */
  readonly told: 'done' | 'refused' | 'unknown'
  /** Of HTTP. */
  readonly status: number
}

interface Titled {
  readonly title?: string
}

export interface AuditRecord {
  readonly seq: number
  readonly action: string
  /** `pool:NAME` or `route:NAME`. */
  readonly subject: string
  readonly before: Titled | null
  readonly after: Titled | null
}

/** No two operations have the same one. */
const markOf = ({ action, subject, after }: AuditRecord): string => after?.title ?? `${action} ${subject}`

/** Answers how many of those who do not know were done. */
export function compare(t: Test, operations: readonly Operation[], records: readonly AuditRecord[]): number {
  const gaps = records.filter(({ seq }, i) => seq !== i + 1)
  t.strictSame(gaps, [], 'every record is there')
  const places = new Map<string, number[]>()
  for (const [place, record] of records.entries()) {
    const mark = markOf(record)
    places.set(mark, [...(places.get(mark) ?? []), place])
  }
  const placesOf = ({ mark }: Operation) => places.get(mark) ?? []
  const isWrong = (one: Operation) => {
    const times = placesOf(one).length
    if (one.told === 'done') return times !== 1
    return one.told === 'refused' ? times !== 0 : times > 1
  }
  t.strictSame(
    operations.filter(isWrong),
    [],
    'what was acknowledged is there once, what was refused is not, the rest is there once or not at all',
  )

  // Whoever began after another one had been told that he is done comes after him.
  const inOrder = operations
    .flatMap(one => placesOf(one).map(place => ({ ...one, place })))
    .sort((one, other) => one.place - other.place)
  let latest = 0
  const late: string[] = []
  for (const one of inOrder) {
    if (one.told === 'done' && one.ended < latest) late.push(one.mark)
    latest = Math.max(latest, one.began)
  }
  t.strictSame(late, [], 'and in order')
  return inOrder.filter(({ told }) => told === 'unknown').length
}

interface Revision {
  readonly revision: number
  readonly changed: readonly string[]
}

type Named = Titled & { readonly name: string }

/** The newest revisions, as many as are kept, are the newest records: one each, in their order, and nothing else in between. */
export async function compareHistory(t: Test, replica: TestReplica, records: readonly AuditRecord[]): Promise<void> {
  const read = async <T>(path: string) => (await (await replica.ask('GET', path)).json()) as T
  const { items } = await read<{ readonly items: readonly Revision[] }>('/history?limit=100')
  // What the oldest one changed is not kept.
  const kept = items.slice(0, -1)
  const newest = records.slice(-kept.length).reverse()
  t.strictSame(
    kept.map(({ changed }) => changed),
    newest.map(({ subject }) => [subject]),
    'the history is the end of the audit chain',
  )
  const others: unknown[] = []
  for (const [i, { revision }] of kept.entries()) {
    const { subject = '', after = null } = newest[i] ?? {}
    const [kind, name] = subject.split(':')
    const { definitions } = await read<{
      readonly definitions: { readonly pools: readonly Named[]; readonly routes: readonly Named[] }
    }>(`/history/${revision}`)
    const there = definitions[kind === 'pool' ? 'pools' : 'routes'].find(one => one.name === name)
    if ((there === undefined) !== (after === null) || there?.title !== after?.title) others.push({ revision, subject })
  }
  t.strictSame(others, [], 'and each revision has what its record says')
}

/** No change was made to something that was not the newest, and the last one stands, at every replica. */
export async function lookAtTheEnd(
  t: Test,
  replicas: readonly TestReplica[],
  pools: readonly string[],
  records: readonly AuditRecord[],
): Promise<void> {
  const stands = new Map<string, AuditRecord['after']>()
  const lost = records.filter(({ subject, before, after }) => {
    const was = stands.get(subject)
    stands.set(subject, after)
    return was !== undefined && was?.title !== before?.title
  })
  t.strictSame(lost, [], 'every change was made to what the one before it had left')
  const expected = {
    titles: pools.map(name => stands.get(`pool:${name}`)?.title),
    routes: ['all', ...[...stands].flatMap(([subject, after]) => (after === null ? [] : routeOf(subject)))].sort(),
  }
  for (const replica of replicas) {
    const read = async () => ({ titles: await titlesOf(replica, pools), routes: await namesOfRoutes(replica) })
    // One that does not get there is told by the comparison.
    await until('it knows', async () => isDeepStrictEqual(await read(), expected)).catch(() => undefined)
    t.strictSame(await read(), expected, `${replica.name} goes by the last ones`)
  }
  const [first] = replicas as [TestReplica]
  t.match(await (await first.ask('GET', '/audit/verify')).json(), { unbroken: true })
}

const routeOf = (subject: string): string[] => (subject.startsWith('route:') ? [subject.slice('route:'.length)] : [])

async function titlesOf(replica: TestReplica, pools: readonly string[]): Promise<(string | undefined)[]> {
  const answers = await Promise.all(pools.map(name => replica.ask('GET', `/gateway-pools/${name}`)))
  const found = (await Promise.all(answers.map(answer => answer.json()))) as { readonly definition: Titled }[]
  return found.map(({ definition }) => definition.title)
}

async function namesOfRoutes(replica: TestReplica): Promise<string[]> {
  const names: string[] = []
  for (let after = ''; ; ) {
    const page = await replica.ask('GET', `/routes?limit=500${after}`)
    const { items, next } = (await page.json()) as { readonly items: readonly Named[]; readonly next: string | null }
    names.push(...items.map(({ name }) => name))
    if (next === null) return names.sort()
    after = `&after=${next}`
  }
}

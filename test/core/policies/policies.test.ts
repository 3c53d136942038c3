import fc from 'fast-check'
import { test } from 'tap'
import { pool as poolSchema } from '../../../src/config/definitions.ts'
import { hashText } from '../../../src/core/policies/ip-hash.ts'
import { measure } from '../../../src/core/policies/latency.ts'
import { policies as all } from '../../../src/core/policies/policies.ts'
import { type Candidate, freshLoad, type Load, type Policy } from '../../../src/core/policies/policy.ts'
import { chance, seed, seeded } from '../../support/seed.ts'

type Name = keyof typeof all
type Built = (candidates: readonly Candidate[], random: () => number) => Policy<Candidate>
const names = Object.keys(all) as Name[]

/** Ms. */
let now = 0
const policies = Object.fromEntries(
  names.map((name): [Name, Built] => [name, (candidates, random) => all[name](candidates, random, () => now)]),
) as Record<Name, Built>

const loads = new Map<string, Load>()
const candidate = (name: string, weight = 1, inFlight = 0): Candidate => {
  const load = { ...freshLoad(), inFlight }
  loads.set(name, load)
  return { name, weight, load }
}
const addresses = Array.from({ length: 20_000 }, (_, i) => hashText(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`))
const picks = (policy: Policy<Candidate>, times: number, tried: readonly Candidate[] = []) =>
  Array.from({ length: times }, () => policy.pick(0, tried)?.name).join(' ')

/** How often each was picked, in percent. */
function shares(policy: Policy<Candidate>, keys: readonly number[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const key of keys) {
    const { name } = policy.pick(key, []) ?? { name: 'nobody' }
    counts[name] = (counts[name] ?? 0) + 100 / keys.length
  }
  return counts
}

function near(counts: Record<string, number>, wanted: Record<string, number>, within: number): boolean {
  const all = new Set([...Object.keys(counts), ...Object.keys(wanted)])
  return [...all].every(name => Math.abs((counts[name] ?? 0) - (wanted[name] ?? 0)) <= within)
}

test('a policy for every name that the schema knows', t => {
  const known = poolSchema.shape.lb_policy.unwrap().options
  t.strictSame([...names].sort(), ['ordered', ...known].sort())
  t.end()
})

for (const name of names) {
  test(`${name}: whoever was tried is not picked again, and nobody only when all were`, t => {
    const check = fc.property(
      fc.array(fc.record({ weight: fc.nat(3), inFlight: fc.nat(3), tried: fc.boolean() }), { maxLength: 6 }),
      fc.integer(),
      fc.integer(),
      (list, key, start) => {
        const candidates = list.map(({ weight, inFlight }, i) => candidate(`c${i}`, weight, inFlight))
        const policy = policies[name](candidates, chance(start))
        const tried = candidates.filter((_, i) => list[i]?.tried)
        while (tried.length < candidates.length) {
          const picked = policy.pick(key, tried)
          if (picked === undefined) throw new Error('nobody, though somebody is left')
          if (tried.includes(picked)) throw new Error('tried twice')
          const left = candidates.filter(one => !tried.includes(one))
          const heavier = left.some(({ weight }) => weight > 0)
          if (name !== 'ordered' && picked.weight === 0 && heavier) throw new Error('weight 0 before another')
          tried.push(picked)
        }
        if (policy.pick(key, tried) !== undefined) throw new Error('somebody out of nobody')
      },
    )
    t.doesNotThrow(() => fc.assert(check, seeded({ numRuns: 500 })))
    t.end()
  })
}

test('ordered: the first that was not tried', t => {
  const [a, b, c] = [candidate('a'), candidate('b'), candidate('c')]
  const policy = policies.ordered([a, b, c], Math.random)
  t.equal(picks(policy, 3), 'a a a')
  t.equal(policy.pick(0, [a]), b)
  t.equal(policy.pick(0, [b, a]), c)
  t.end()
})

test('round_robin: in turns, smoothly by weight', t => {
  const equal = policies.round_robin(
    ['a', 'b', 'c'].map(name => candidate(name)),
    Math.random,
  )
  t.equal(picks(equal, 7), 'a b c a b c a')
  const weighted = policies.round_robin([candidate('a', 5), candidate('b', 1), candidate('c', 1)], Math.random)
  t.equal(picks(weighted, 14), 'a a b a c a a a a b a c a a')
  t.end()
})

test('round_robin: a rebuilt policy goes on where the last one stood', t => {
  const [a, b, c] = [candidate('a'), candidate('b'), candidate('c')]
  t.equal(picks(policies.round_robin([a, b, c], Math.random), 1), 'a')
  t.equal(picks(policies.round_robin([a, b, c], Math.random), 1), 'b')
  t.equal(picks(policies.round_robin([a, c], Math.random), 4), 'c c a c', 'b went away')
  t.equal(picks(policies.round_robin([a, b, c], Math.random), 6), 'a c b a c b', 'and is back')
  t.end()
})

test('round_robin: the retries of a dead candidate are spread over the others', t => {
  const [a, b, c] = [candidate('a'), candidate('b'), candidate('c')]
  const policy = policies.round_robin([a, b, c], Math.random)
  const counts: Record<string, number> = {}
  for (let i = 0; i < 3_000; i++) {
    const first = policy.pick(0, [])
    const answered = first === a ? policy.pick(0, [a]) : first
    if (answered) counts[answered.name] = (counts[answered.name] ?? 0) + 1
  }
  t.ok(near(counts, { b: 1_500, c: 1_500 }, 2), JSON.stringify(counts))
  t.end()
})

test('round_robin: a turn left from a greater weight gives weight 0 nothing', t => {
  const rest = { ...candidate('rest', 0), load: { ...freshLoad(), turn: 100 } }
  t.equal(picks(policies.round_robin([rest, candidate('a'), candidate('b')], Math.random), 4), 'a b a b')
  t.end()
})

test('least_conn: the lowest (in flight + 1) / weight, and never nobody', t => {
  const pick = (...list: [weight: number, inFlight: number][]) =>
    policies
      .least_conn(
        list.map(([weight, inFlight], i) => candidate(String(i), weight, inFlight)),
        () => 0.999,
      )
      .pick(0, [])?.name
  t.equal(pick([1, 5], [1, 3]), '1')
  t.equal(pick([1, 3], [1, 5]), '0')
  t.equal(pick([1, 1], [4, 6]), '1', '7 / 4 is less than 2')
  t.equal(pick([2, 1], [5, 5]), '0', '1 is less than 6 / 5')
  t.equal(pick([1, 1e9]), '0')
  t.equal(pick([0, 0]), '0', 'weight 0 when there is nothing else')
  t.equal(pick([0, 0], [1, 1e9]), '1')
  t.end()
})

test('least_conn: it counts what is in flight now, not when it was built', t => {
  const [a, b] = [candidate('a'), candidate('b')]
  const policy = policies.least_conn([a, b], () => 0.999)
  a.load.inFlight = 1
  t.equal(policy.pick(0, []), b)
  b.load.inFlight = 2
  t.equal(policy.pick(0, []), a)
  t.end()
})

test('least_conn: ties go by chance, each with the same share', t => {
  const tied = [candidate('busy', 1, 9), candidate('a', 1, 3), candidate('b', 2, 7), candidate('c', 1, 3)]
  const counts = shares(policies.least_conn(tied, chance(seed)), addresses)
  t.ok(near(counts, { a: 33.3, b: 33.3, c: 33.3 }, 2), `${JSON.stringify(counts)}, seed ${seed}`)
  t.end()
})

test('random: in proportion to the weights', t => {
  const list = [candidate('none', 0), candidate('a', 1), candidate('b', 2), candidate('c', 5)]
  const counts = shares(policies.random(list, chance(seed)), addresses)
  t.ok(near(counts, { a: 12.5, b: 25, c: 62.5 }, 2), `${JSON.stringify(counts)}, seed ${seed}`)
  const at = (value: number) => policies.random(list, () => value).pick(0, [])?.name
  t.strictSame([0, 0.124, 0.125, 0.374, 0.375, 1 - 2 ** -53].map(at), ['a', 'a', 'b', 'b', 'c', 'c'])
  t.end()
})

test('ip_hash: the same client goes to the same candidate, whatever the order and the load', t => {
  const list = [candidate('a'), candidate('b', 2, 9), candidate('c')]
  const one = policies.ip_hash(list, Math.random)
  const other = policies.ip_hash([...list].reverse(), Math.random)
  t.ok(addresses.every(key => one.pick(key, []) === other.pick(key, [])))
  t.end()
})

test('ip_hash: shares follow the weights', t => {
  const equal = ['home', 'nas', 'ds918', 'spare'].map(name => candidate(name))
  const flat = shares(policies.ip_hash(equal, Math.random), addresses)
  t.ok(near(flat, { home: 25, nas: 25, ds918: 25, spare: 25 }, 2), JSON.stringify(flat))
  const weighted = [candidate('gateway-1', 1), candidate('gateway-2', 2), candidate('gateway-3', 5), candidate('x', 0)]
  const steep = shares(policies.ip_hash(weighted, Math.random), addresses)
  t.ok(near(steep, { 'gateway-1': 12.5, 'gateway-2': 25, 'gateway-3': 62.5 }, 2), JSON.stringify(steep))
  const many = Array.from({ length: 16 }, (_, i) => candidate(`g${i}`))
  const wide = shares(policies.ip_hash(many, Math.random), addresses)
  t.ok(
    Object.values(wide).every(share => share > 5.25 && share < 7.25),
    JSON.stringify(wide),
  )
  t.end()
})

test('ip_hash: removing a candidate moves only the clients it had, spread over the others', t => {
  const list = ['home', 'nas', 'ds918', 'spare'].map(name => candidate(name))
  const before = policies.ip_hash(list, Math.random)
  const without = policies.ip_hash(
    list.filter(({ name }) => name !== 'nas'),
    Math.random,
  )
  const tried = list.filter(({ name }) => name === 'nas')
  const moved: number[] = []
  for (const key of addresses) {
    const was = before.pick(key, [])
    if (was?.name === 'nas') moved.push(key)
    else if (without.pick(key, []) !== was) t.fail('a client of another candidate moved')
    if (before.pick(key, tried) !== without.pick(key, [])) t.fail('a retry goes elsewhere than after a removal')
  }
  t.ok(near(shares(without, moved), { home: 33.3, ds918: 33.3, spare: 33.3 }, 3))
  t.end()
})

test('ip_hash: it goes by name: a candidate built anew keeps its clients', t => {
  const build = () => policies.ip_hash([candidate('a'), candidate('b')], Math.random)
  const [one, other] = [build(), build()]
  t.ok(addresses.every(key => one.pick(key, [])?.name === other.pick(key, [])?.name))
  t.end()
})

test('ip_hash: addresses that are next to each other are spread, in both families', t => {
  const list = ['a', 'b'].map(name => candidate(name))
  const policy = policies.ip_hash(list, Math.random)
  for (const prefix of ['192.168.178.', '2001:db8::']) {
    const keys = Array.from({ length: 250 }, (_, i) => hashText(prefix + i.toString(prefix.includes(':') ? 16 : 10)))
    t.ok(near(shares(policy, keys), { a: 50, b: 50 }, 12), prefix)
  }
  t.end()
})

test('two_choices: the less loaded of two, and never one of weight 0 while another is left', t => {
  const [idle, busy, none] = [candidate('idle'), candidate('busy', 1, 9), candidate('none', 0)]
  t.equal(picks(policies.two_choices([idle, busy], chance(seed)), 5), 'idle idle idle idle idle', 'both are drawn')
  t.equal(picks(policies.two_choices([none, busy], chance(seed)), 3), 'busy busy busy')
  t.equal(picks(policies.two_choices([none, busy], chance(seed)), 1, [busy]), 'none')
  const even = Array.from({ length: 4 }, (_, i) => candidate(`c${i}`))
  t.ok(near(shares(policies.two_choices(even, chance(seed)), addresses), { c0: 25, c1: 25, c2: 25, c3: 25 }, 2))
  const heavy = [candidate('heavy', 3, 5), candidate('light', 1, 2)]
  t.equal(picks(policies.two_choices(heavy, chance(seed)), 1), 'heavy', '6 / 3 is less than 3 / 1')
  t.end()
})

test('latency: the quicker one, until its load makes it the slower one', t => {
  now = 1_000
  const [quick, slow] = [candidate('quick'), candidate('slow')]
  measure(quick.load, 10, now)
  measure(slow.load, 50, now)
  const policy = policies.latency([slow, quick], chance(seed))
  t.equal(picks(policy, 3), 'quick quick quick')
  quick.load.inFlight = 9
  t.equal(picks(policy, 1), 'slow')
  t.end()
})

test('latency: a slow answer counts at once, fast ones win trust back, and what is old says less', t => {
  now = 1_000
  const [a, b] = [candidate('a'), candidate('b')]
  for (const { load } of [a, b]) measure(load, 20, now)
  measure(a.load, 500, now)
  const policy = policies.latency([a, b], chance(seed))
  t.equal(picks(policy, 1), 'b')
  measure(a.load, 1, now + 10)
  t.equal(picks(policy, 1), 'b', 'one good answer is not enough')
  now += 20_000
  measure(b.load, 100, now)
  t.equal(picks(policy, 1), 'a', 'the memory of it has faded')
  t.end()
})

test('latency: one of which nothing is known gets one request at a time', t => {
  now = 1_000
  const [known, cold] = [candidate('known'), candidate('cold')]
  measure(known.load, 5, now)
  const policy = policies.latency([known, cold], chance(seed))
  t.equal(picks(policy, 1), 'cold')
  cold.load.inFlight = 1
  t.equal(picks(policy, 3), 'known known known')
  measure(cold.load, 1, now)
  t.equal(picks(policy, 1), 'cold', 'it has answered')
  now += 60_000
  cold.load.inFlight = 1
  t.equal(picks(policy, 1), 'known', 'and after a minute nothing is known of it again')
  t.end()
})

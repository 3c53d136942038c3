/** What a pick costs, by policy and number of candidates: `node bench/core/pick.ts`. */
import { hashText } from '../../src/core/policies/ip-hash.ts'
import { policies } from '../../src/core/policies/policies.ts'
import { freshLoad } from '../../src/core/policies/policy.ts'
import { measure } from './measure.ts'

const keys = Array.from({ length: 1024 }, (_, i) => hashText(`192.0.2.${i}`))
const sizes = [2, 16, 256]

for (const [name, build] of Object.entries(policies)) {
  for (const size of sizes) {
    const candidates = Array.from({ length: size }, (_, i) => ({
      name: `gateway-${i}`,
      weight: 1 + (i % 3),
      load: { ...freshLoad(), inFlight: i % 7 },
    }))
    const policy = build(candidates, Math.random, () => performance.now())
    let next = 0
    measure(`pick, ${name}, ${size} candidates`, () => policy.pick(keys[next++ & 1023] ?? 0, []))
  }
}

for (const size of sizes) {
  const candidates = Array.from({ length: size }, (_, i) => ({
    name: `gateway-${i}`,
    weight: 1,
    load: freshLoad(),
  }))
  const tried = candidates.slice(0, 1)
  const policy = policies.round_robin(candidates, Math.random, () => performance.now())
  measure(`pick, round_robin, a retry, ${size} candidates`, () => policy.pick(0, tried))
}

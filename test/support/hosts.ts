/** Two hosts at one switch, each a network namespace of this machine with an `eth0` and a loopback of its own. */
import { execFileSync } from 'node:child_process'
import type { Scope } from './launch.ts'

export interface Host {
  readonly name: string
  /** What runs a command there. */
  readonly within: readonly string[]
  /** Pulls its plug out of the switch. */
  unplug(): void
}

const ip = (...args: readonly string[]) => execFileSync('ip', args, { stdio: 'pipe', timeout: 10_000 })

/** For a test's `skip`: why there can be no such hosts, said aloud, or false. */
export function withoutHosts(): string | false {
  try {
    const trial = nameOf(0)
    ip('netns', 'add', trial)
    try {
      ip('-n', trial, 'link', 'add', 'bridge', 'type', 'bridge')
    } finally {
      ip('netns', 'del', trial)
    }
    return false
  } catch (error) {
    const why = `no network namespaces: ${error instanceof Error ? error.message.trim() : error}`
    process.stderr.write(`NOT TESTED: ${why}\n`)
    return why
  }
}

/** `one` at 10.0.0.1 and `two` at 10.0.0.2; they go with the test. */
export function startHosts(t: Scope): readonly [Host, Host] {
  const make = (n: number) => {
    const space = nameOf(n)
    ip('netns', 'add', space)
    t.teardown(() => void ip('netns', 'del', space))
    return space
  }
  const up = (space: string, link: string) => ip('-n', space, 'link', 'set', link, 'up')
  // Were they joined by nothing but a cable, either would lose its link with the other's.
  const hub = make(0)
  ip('-n', hub, 'link', 'add', 'bridge', 'type', 'bridge')
  up(hub, 'bridge')
  const host = (name: string, n: number): Host => {
    const space = make(n)
    ip('-n', space, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', name, 'netns', hub)
    ip('-n', hub, 'link', 'set', name, 'master', 'bridge')
    ip('-n', space, 'address', 'add', `10.0.0.${n}/24`, 'dev', 'eth0')
    up(space, 'lo')
    up(space, 'eth0')
    up(hub, name)
    return {
      name,
      within: ['ip', 'netns', 'exec', space],
      unplug: () => void ip('-n', hub, 'link', 'set', name, 'down'),
    }
  }
  return [host('one', 1), host('two', 2)]
}

const nameOf = (n: number) => `gatepool-test-${process.pid}-${n}`

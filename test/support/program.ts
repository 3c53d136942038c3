import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FactKind } from '../../src/core/events.ts'
import { type Ended, folder, type LaunchOptions, launch, type Scope } from './launch.ts'

/** Of the bootstrap administrator: it comes from the environment, as the configuration asks for it. */
export const ADMIN_TOKEN = 'a-token-for-tests'

export interface Program {
  /** Where the listeners are, by name, and the admin API as `admin`. */
  readonly url: Readonly<Record<string, string>>
  /** A fact of this kind (and about this subject) that was not answered before, as it was logged; rejects after `ms`. */
  fact(kind: FactKind, subject?: string, ms?: number): Promise<Readonly<Record<string, unknown>>>
  /** A line of stdout that was not answered before; rejects after `ms`. */
  line(wanted: (line: string) => boolean, what: string, ms?: number): Promise<string>
  /** Replaces the configuration file at once, as editors do. */
  configure(yaml: string): void
  signal(signal: NodeJS.Signals): void
  readonly pid: number
  readonly ended: Promise<Ended>
}

/**
 * Runs `gatepool run` with `yaml` and resolves when it listens; rejects, with what it wrote, when it ends instead. Its store is in `home`, a
 * folder that goes with the test.
 */
export async function runProgram(
  t: Scope,
  yaml: string,
  home = folder(t),
  options: LaunchOptions = {},
): Promise<Program> {
  const file = join(home, 'gatepool.yaml')
  const configure = (text: string) => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  configure(yaml)
  const own = { GATEPOOL_ADMIN_TOKEN: ADMIN_TOKEN, GATEPOOL_STORE_PATH: join(home, 'gatepool.db') }
  const { child, line, ended } = launch(t, ['run', '-c', file], { ...options, env: { ...own, ...options.env } })
  const listens = await Promise.race([once(child.stderr ?? child, 'data'), ended])
  if (!Array.isArray(listens) || !String(listens).startsWith('gatepool listens:'))
    throw new Error(`it did not start: ${JSON.stringify(listens)}`)
  const places = [...String(listens).matchAll(/([\w-]+) on (\S+:\d+)/g)]
  return {
    url: Object.fromEntries(places.map(([, name, address]) => [name, `http://${address}`])),
    async fact(kind, subject, ms) {
      const wanted = (text: string) => {
        const fact = JSON.parse(text)
        return fact.kind === kind && (subject === undefined || fact.subject === subject)
      }
      return JSON.parse(await line(wanted, `fact ${kind} of ${subject ?? 'anybody'}`, ms))
    },
    line,
    configure,
    signal: signal => void child.kill(signal),
    pid: child.pid ?? 0,
    ended,
  }
}

/**
 * Is this Redis fit for what it is there for? Looked at with every new connection, since it may be another server by then, or have been
 * configured anew.
 */
import { type Refusal, refuse } from '../../errors.ts'
import type { Connection } from './connect.ts'
import type { Keys } from './keys.ts'
import { LOOK } from './scripts/look.ts'

/** The oldest version that has everything that the scripts use. */
const OLDEST = [6, 2] as const
/** Whoever lacks these goes without; without the others nothing may be begun, since a script that fails in the middle is not undone. */
const SPARED = ['publish', 'info']

export interface Fitness {
  /** What should be looked at, in words. */
  readonly warnings: readonly string[]
  /** Looks, unless it was done for this connection. Refused when this Redis cannot be used as it is. */
  look(): Promise<Refusal | null>
}

export function createFitness(connection: Connection, keys: Keys): Fitness {
  let looked = -1
  let warnings: readonly string[] = []
  let unfit: Refusal | null = null

  return {
    get warnings() {
      return warnings
    },
    async look() {
      const { turn } = connection
      if (turn === looked) return unfit
      try {
        const [server, memory, persistence, lacking] = await connection.run(LOOK, [keys.scratch], [keys.news])
        const missing = lacking as readonly string[]
        warnings = [
          ...configured(`${server}${memory}${persistence}`),
          ...(missing.length > 0 ? [`the user of Redis may not: ${missing.join(', ')}`] : []),
        ]
        const needed = missing.filter(command => !SPARED.includes(command))
        unfit =
          needed.length > 0 ? refuse('store_unavailable', `the user of Redis may not: ${needed.join(', ')}`) : null
        looked = turn
        return unfit
      } catch (error) {
        return connection.refusal(error)
      }
    },
  }
}

/** What of INFO is not as it should be. */
function configured(info: string): string[] {
  const value = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
  const [version, policy, appends] = [value('redis_version'), value('maxmemory_policy'), value('aof_enabled')]
  return [
    ...(version !== undefined && isOlder(version) ? [`Redis is ${version}: ${OLDEST.join('.')} is needed`] : []),
    ...(policy !== undefined && policy !== 'noeviction'
      ? [`Redis throws things away when it is full (maxmemory-policy ${policy}): it should be noeviction`]
      : []),
    ...(appends === '0' ? ['Redis forgets at a restart what it acknowledged: appendonly should be yes'] : []),
  ]
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])
}

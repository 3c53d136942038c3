import type { Command } from '../processes.ts'
import type { Front } from '../rows.ts'

/**
 * A proxy to measure. All are set up to do the same: stream bodies both ways, keep connections to the upstream, tell it the client's address
 * in X-Forwarded-For, let WebSocket through, write no access log, use one thread; and those of TCP and UDP to pass on what comes.
 */
export interface Rival {
  readonly name: string
  /** A line with the version, null when it is not installed. */
  version(): string | null
  /** What it can do; rows of others are not asked of it. */
  readonly fronts: readonly Front[]
  /** Writes its configuration and says how to start it, in the foreground and as one process. */
  prepare(place: Place): Command
}

export const HTTP_FRONTS: readonly Front[] = ['single', 'pair']

/** Where a rival is to run. Ports are of 127.0.0.1. */
export interface Place {
  /** A folder of its own, absolute. */
  readonly folder: string
  /** It listens here. */
  readonly ports: Readonly<Record<Front, number>>
  /** One more port for what it may need besides. */
  readonly spare: number
  /** Of TCP and UDP. */
  readonly upstream: number
  /** Nobody listens there. */
  readonly dead: number
  /** As many as the limit of open files allows, two files for each. */
  readonly connections: number
}

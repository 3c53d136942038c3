/**
 * The access log: a JSON line for each request, or for a share of them. Lines are gathered and written together, since a write for each
 * would cost more than many a request; at most a second of them is lost when the process is killed.
 */
import { type DestinationStream, pino } from 'pino'

/** One exchange. Never a query, nor a field of the request: they carry secrets. */
export interface AccessLine {
  readonly listener: string
  /** Null: none matched, or the request was refused before. */
  readonly route: string | null
  readonly pool: string | null
  /** Who was asked last; null: nobody. */
  readonly gateway: string | null
  /** '' where the request was not understood so far. */
  readonly method: string
  readonly host: string
  readonly path: string
  /** 499: the client left before an answer. */
  readonly status: number
  /** To the client, heads included. */
  readonly bytes: number
  readonly duration_ms: number
  readonly client: string
  readonly request_id: string
  /** Upstreams that were tried. */
  readonly attempts: number
  /** The code of our own answer, or why the upstream's was cut; null: neither. */
  readonly reason: string | null
}

export interface AccessLog {
  /** Whether the exchange that just ended is one that gets a line. */
  wants(): boolean
  write(line: AccessLine): void
}

export interface AccessLogOptions {
  readonly cluster: string
  readonly replica: string
  /** Share of the requests that get a line. */
  readonly sample: number
  readonly random: () => number
  /** Where the lines go; stdout, gathered, by default. */
  readonly destination?: DestinationStream
}

/** Bytes that are gathered, and ms that they wait at most. */
const GATHERED = 8 * 1024
const LONGEST_WAIT = 1_000
/** Bytes that wait for a reader of stdout; what comes then is dropped. */
const MOST_WAITING = 16 * 1024 * 1024

export function createAccessLog(options: AccessLogOptions): AccessLog & AsyncDisposable {
  const { cluster, replica, sample, random } = options
  const gathering = { sync: false, minLength: GATHERED, maxLength: MOST_WAITING, periodicFlush: LONGEST_WAIT }
  const stdout = options.destination === undefined ? pino.destination(gathering) : null
  const log = pino(
    {
      base: { cluster, replica },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
    },
    options.destination ?? stdout ?? undefined,
  )
  return {
    wants: () => sample === 1 || random() < sample,
    write: line => log.info(line, 'request'),
    async [Symbol.asyncDispose]() {
      if (stdout !== null) await new Promise(resolve => stdout.flush(resolve))
    },
  }
}

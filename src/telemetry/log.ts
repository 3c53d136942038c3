import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

export interface LogOptions {
  readonly level: string
  readonly cluster: string
  readonly replica: string
  /** Where the lines go; stdout by default. */
  readonly destination?: DestinationStream
}

/** JSON lines. What could carry a secret is cut out, whoever logs it. */
export function createLog({ level, cluster, replica, destination }: LogOptions): Logger {
  const options = {
    level,
    base: { cluster, replica },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: ['authorization', 'cookie', 'token', '*.authorization', '*.cookie', '*.token'],
      censor: '[redacted]',
    },
  }
  return destination ? pino(options, destination) : pino(options)
}

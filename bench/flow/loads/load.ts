/** Clients that ask a proxy as fast as it answers, one request at a time on each connection. */
import type { Command } from '../processes.ts'
import type { Work } from '../rows.ts'

/** A program that makes the load, in a process of its own. */
export interface LoadTool<Kind extends Work['kind']> {
  readonly name: string
  /** `script` is a file that it may write. */
  command(asked: Asked<Extract<Work, { kind: Kind }>>, script: string): Command
  /** What its output says. Throws when that cannot be read. */
  read(stdout: string): Seen
}

export interface Asked<Some extends Work> {
  /** Of 127.0.0.1. */
  readonly port: number
  readonly connections: number
  readonly seconds: number
  readonly work: Some
}

export interface Seen {
  /** Answers, those with an error status among them. */
  readonly requests: number
  /** Error statuses, connections that broke, answers that did not come in time. */
  readonly failed: number
  readonly seconds: number
  /** Ms from a request to its answer. */
  readonly p50: number
  readonly p99: number
}

/**
 * Documents as Redis keeps them: three as one JSON text each, liveness as one small field for each record, so that a step writes only what
 * changed.
 */
import type { Documents } from '../../core/events.ts'
import type { GatewayRecord, Liveness, Versioned } from '../../core/nouns.ts'
import { own } from '../../core/own.ts'
import { EMPTY, type Values } from '../../core/store.ts'

export const NEVER_WRITTEN: Documents = {
  definitions: { revision: 0, value: EMPTY.definitions },
  holds: { revision: 0, value: EMPTY.holds },
  access: { revision: 0, value: EMPTY.access },
  liveness: { revision: 0, value: EMPTY.liveness },
}

/** In the order of the scripts. */
export const DOCUMENTS = ['definitions', 'holds', 'access', 'liveness'] as const

const RECORD = 'gateway:'

/** What the script `WRITE` takes about liveness: only what is different from `known`, if it is that revision which is expected to stand. */
export function livenessArguments(
  next: Liveness | undefined,
  expected: number | undefined,
  known: Versioned<Liveness>,
): (string | number)[] {
  if (next === undefined) return ['no']
  const before = expected === known.revision ? known.value.gateways : null
  const set = Object.entries(next.gateways).filter(([name, record]) => before === null || own(before, name) !== record)
  const drop = Object.keys(before ?? {}).filter(name => !Object.hasOwn(next.gateways, name))
  return [
    before === null ? 'all' : 'some',
    set.length,
    ...set.flatMap(([name, record]) => [RECORD + name, JSON.stringify(record)]),
    drop.length,
    ...drop.map(name => RECORD + name),
  ]
}

/** The documents of the script's `news`. */
export function readChanged(
  changed: readonly (readonly [name: keyof Values, revision: string, value: unknown])[],
): Partial<Documents> {
  const entries = changed.map(([name, revision, value]) => [
    name,
    { revision: Number(revision), value: readValue(name, value) },
  ])
  return Object.fromEntries(entries)
}

function readValue(name: keyof Values, value: unknown): unknown {
  if (name === 'liveness') return { gateways: readRecords(value as readonly string[]) }
  // A part that this version added is not there yet.
  return { ...EMPTY[name], ...(value === null ? {} : JSON.parse(String(value))) }
}

/** `fields`: name, text, name, text, … */
function readRecords(fields: readonly string[]): Record<string, GatewayRecord> {
  const records: Record<string, GatewayRecord> = {}
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const field = fields[i] as string
    if (field.startsWith(RECORD)) records[field.slice(RECORD.length)] = JSON.parse(fields[i + 1] as string)
  }
  return records
}

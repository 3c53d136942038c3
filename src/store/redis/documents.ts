/**
 * Documents as Redis keeps them: three as one JSON text each, liveness as one small field for each record, so that a step writes only what
 * changed.
 */
import type { Documents } from '../../core/events.ts'
import type { Definitions, Liveness, Versioned } from '../../core/nouns.ts'
import { own } from '../../core/own.ts'
import { EMPTY, type Values } from '../../core/store.ts'
import { isRefusal, type Refusal } from '../../errors.ts'

export const NEVER_WRITTEN: Documents = {
  definitions: { revision: 0, value: EMPTY.definitions },
  holds: { revision: 0, value: EMPTY.holds },
  access: { revision: 0, value: EMPTY.access },
  liveness: { revision: 0, value: EMPTY.liveness },
}

/** In the order of the scripts. */
export const DOCUMENTS = ['definitions', 'holds', 'access', 'liveness'] as const

/** What the script `WRITE` takes about liveness: only what is different from `known`, if it is that revision which is expected to stand. */
export function livenessArguments(
  next: Liveness | undefined,
  expected: number | undefined,
  known: Versioned<Liveness>,
): (string | number)[] {
  if (next === undefined) return ['no']
  const before = expected === known.revision ? fieldsOf(known.value) : null
  const after = fieldsOf(next)
  const set = [...after].filter(([name, record]) => before?.get(name) !== record)
  const drop = before === null ? [] : [...before.keys()].filter(name => !after.has(name))
  const texts = set.flatMap(([name, record]) => [name, JSON.stringify(record)])
  return [before === null ? 'all' : 'some', set.length, ...texts, drop.length, ...drop]
}

/** A field for each record of each part of the document: `PART:GATEWAY`. */
function fieldsOf(liveness: Liveness): Map<string, unknown> {
  const parts = Object.entries(liveness)
  return new Map(
    parts.flatMap(([part, records]) =>
      Object.entries(records).map(([name, record]): [string, unknown] => [`${part}:${name}`, record]),
    ),
  )
}

/** What a script takes to write all documents as they are known: three as JSON, and every field of liveness. */
export function wholeArguments({ definitions, holds, access, liveness }: Documents): (string | number)[] {
  const texts = [definitions, holds, access].map(({ value }) => JSON.stringify(value))
  const fields = [...fieldsOf(liveness.value)].flatMap(([name, record]) => [name, JSON.stringify(record)])
  return [...texts, fields.length / 2, ...fields]
}

/** The documents that a script's `news` answers. */
export type Changed = readonly (readonly [name: keyof Values, revision: number, tag: string, value: unknown])[]

/** Definitions that another version wrote with what this one adds; or why it cannot go by them. */
export type Complete = (definitions: Definitions) => Definitions | Refusal

export function readChanged(changed: Changed, complete: Complete): Partial<Documents> | Refusal {
  const documents: Record<string, Versioned<unknown>> = {}
  for (const [name, revision, , text] of changed) {
    const read = readValue(name, text)
    const value = name === 'definitions' && revision > 0 ? complete(read as Definitions) : read
    if (isRefusal(value)) return value
    documents[name] = { revision, value }
  }
  return documents as Partial<Documents>
}

function readValue(name: keyof Values, value: unknown): unknown {
  if (name === 'liveness') return readRecords(value as readonly string[])
  // A part that this version added is not there yet.
  return { ...EMPTY[name], ...(value === null ? {} : JSON.parse(String(value))) }
}

/** `fields`: name, text, name, text, … */
function readRecords(fields: readonly string[]): Liveness {
  const parts: Record<string, Record<string, unknown>> = { gateways: {}, instances: {}, refused: {} }
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [part = '', name] = (fields[i] as string).split(':')
    const records = own(parts, part)
    // A part that a newer version added is of no use to this one.
    if (records && name !== undefined) records[name] = JSON.parse(fields[i + 1] as string)
  }
  return parts as unknown as Liveness
}

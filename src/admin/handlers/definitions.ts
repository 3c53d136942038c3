import { setImmediate } from 'node:timers/promises'
import { readStored } from '../../config/stored.ts'
import { differences, everyName } from '../../core/changes.ts'
import { alterSettings, replaceDefinitions, stampOf, type Terms } from '../../core/edits.ts'
import type { Definitions } from '../../core/nouns.ts'
import { own } from '../../core/own.ts'
import type { Revision, Store } from '../../core/store.ts'
import { isRefusal, type Refusal, refuse } from '../../errors.ts'
import type { Committed } from '../../ledger.ts'
import { answered } from '../answers.ts'
import type { definitionEndpoints } from '../contract/definitions.ts'
import { outages } from '../warnings.ts'
import { availableDefinitions, bare, notSent, patchedSettings, refuseFindings, sentWhole } from '../written.ts'
import { committer } from './edits.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { short } from './lists.ts'

export function definitionHandlers(options: HandlerOptions): HandlersOf<typeof definitionEndpoints> {
  const { state, store } = options
  const commit = committer(options)

  return {
    get_settings() {
      const { definitions } = state.snapshot.world
      return answered(definitions.value.settings, stampOf(definitions, 'settings'), { complete: true })
    },
    async patch_settings({ body, ...call }) {
      const make = (terms: Terms) => alterSettings(before => patchedSettings(before, body), terms)
      const outcome = await commit(call, notSent, make)
      if (isRefusal(outcome)) return outcome
      const { definitions } = outcome.snapshot.world
      const { revision } = outcome
      return answered({ ...definitions.value.settings, revision }, stampOf(definitions, 'settings'))
    },
    get_definitions() {
      const { revision, value } = state.snapshot.world.definitions
      return answered(bare(value), revision, { complete: true })
    },
    async replace_definitions({ body, ...call }) {
      const next = availableDefinitions(body)
      if (isRefusal(next)) return next
      const outcome = await commit(call, sentWhole, terms => replaceDefinitions(next, 'imported', terms))
      return isRefusal(outcome) ? outcome : saved(outcome)
    },
    async list_history({ query: { limit, after } }) {
      const before = after === undefined ? undefined : revisionOf(after)
      if (before === null) return refuse('bad_request', 'query.after: expected a revision')
      const kept = await store.history({ limit: limit + 1, ...(before === undefined ? {} : { before }) })
      const items = []
      for (const row of kept.slice(0, limit)) items.push({ ...row, changed: await changedBy(store, row) })
      return { items, next: kept.length > limit ? String(items.at(-1)?.revision) : null }
    },
    async get_revision({ params: { revision } }) {
      const past = await pastOf(store, revision)
      if (isRefusal(past)) return past
      const { row, definitions } = past
      const changed = await changedBy(store, row)
      return answered({ ...row, changed, definitions: bare(definitions) }, row.revision, { complete: true })
    },
    async restore_revision({ params: { revision }, ...call }) {
      const past = await pastOf(store, revision)
      if (isRefusal(past)) return past
      const outcome = await commit(call, notSent, terms => replaceDefinitions(past.definitions, 'restored', terms))
      return isRefusal(outcome) ? outcome : saved(outcome)
    },
  }
}

function saved({ snapshot, revision, facts }: Committed) {
  const changed = facts.flatMap(fact => (fact.kind === 'definitions_changed' ? fact.changed : []))
  return answered({ changed, revision, warnings: outages(snapshot) }, snapshot.world.definitions.revision)
}

function revisionOf(text: string): number | null {
  return /^\d{1,15}$/.test(text) ? Number(text) : null
}

interface Past {
  readonly row: Revision
  readonly definitions: Definitions
}

/** A revision that is kept, completed by today's schema. */
async function pastOf(store: Store, name: string): Promise<Past | Refusal> {
  const revision = revisionOf(name)
  const [row] = revision === null ? [] : await store.history({ before: revision + 1, limit: 1 })
  const definitions =
    row?.revision === revision && row !== undefined ? await store.definitionsAt(row.revision) : undefined
  if (row === undefined || definitions === undefined) return refuse('not_found', `revision ${short(name)} is not kept`)
  const read = readStored(definitions)
  if (read.kind === 'value') return { row, definitions: read.value }
  const { detail, extra } = refuseFindings(read.findings, path => path)
  return refuse('config_rejected', `revision ${revision} does not fit this version: ${detail}`, extra)
}

/** What a revision changed, by what was before it; of the oldest that is kept, what it has not stamped as left alone. */
async function changedBy(store: Store, { revision }: Revision): Promise<string[]> {
  // Documents may be large: whatever else waits gets its turn between two of them.
  await setImmediate()
  const after = await store.definitionsAt(revision)
  if (after === undefined) return []
  const [previous] = await store.history({ before: revision, limit: 1 })
  const before = previous && (await store.definitionsAt(previous.revision))
  if (before !== undefined) return differences(before, after)
  return [...everyName(after), 'settings'].filter(name => own(after.stamps ?? {}, name) === undefined)
}

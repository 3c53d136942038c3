import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { type AuditEnd, type AuditLink, broken } from '../../core/audit.ts'
import type { Store } from '../../core/store.ts'
import { type auditEndpoints, recorded } from '../contract/audit.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { given } from './lists.ts'

/** Records that are verified between two turns for everybody else. */
const PAGE = 250

export function auditHandlers({ store }: HandlerOptions): HandlersOf<typeof auditEndpoints> {
  return {
    async list_audit({ query: { limit, after, ...filter } }) {
      // One more than asked for tells whether there is more; without `after` these are the newest, and nothing follows them.
      const most = after === undefined ? limit : limit + 1
      const { links } = await store.audit({ limit: most, ...given({ after, ...filter }) })
      const items = links.slice(0, limit).map(read)
      return { items, next: links.length > limit ? String(items.at(-1)?.seq) : null }
    },
    verify_audit({ query: { seq, hash } }) {
      return verify(store, seq === undefined || hash === undefined ? null : { seq, hash })
    },
  }
}

/** A record for people. The text is what counts, and it may say anything once it was damaged. */
function read({ seq, previous, hash, text }: AuditLink) {
  const says = recorded.safeParse(parse(text))
  const lost = { at: 0, by: '', action: '', subject: '', request_id: '', before: null, after: null }
  const said = says.success ? says.data : { ...lost, damaged: true as const }
  return { ...said, seq, previous, hash }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function verify(store: Store, noted: AuditEnd | null) {
  let { anchor, links } = await store.audit({ after: 0, limit: PAGE })
  const start = anchor
  let head: AuditEnd = start
  let records = 0
  let fault: { readonly seq: number; readonly why: string } | null = null
  let found: 'found' | 'trimmed' | null = noted !== null && noted.seq < start.seq ? 'trimmed' : null
  const compare = (end: AuditEnd) => {
    if (end.seq !== noted?.seq) return
    found = 'found'
    if (end.hash !== noted.hash)
      fault ??= { seq: end.seq, why: 'it is not the one that was noted: its hash is another' }
  }
  compare(start)
  while (links.length > 0) {
    for (const link of links) {
      const why = broken(head, link, sha256)
      if (why !== null) fault ??= { seq: link.seq, why }
      compare(link)
      head = link
      records++
    }
    await turn()
    ;({ links } = await store.audit({ after: head.seq, limit: PAGE }))
  }
  if (noted !== null && noted.seq > head.seq) fault ??= { seq: noted.seq, why: 'it was noted, and is missing' }
  const end = ({ seq, hash }: AuditEnd) => ({ seq, hash })
  return { unbroken: fault === null, records, anchor: end(start), head: end(head), broken: fault, noted: found }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

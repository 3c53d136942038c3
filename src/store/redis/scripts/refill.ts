import { SCHEMA_VERSION, script } from './script.ts'

/**
 * Fills a store that has lost everything with what a replica remembers. The audit chain goes on from the last record that it knows of, as if
 * that had been trimmed.
 * Arguments: the run of the replica, its name, the cluster; the tag of what is written; definitions, holds and access (JSON); how many
 * fields of liveness, their names and JSON; what `takeRecord` takes.
 * Answer: `written`, also where somebody else was faster.
 */
export const REFILL = script(`
local its = ARGV[1]
local no = stranger()
if generation then return no or answer('written') end
local origin, name, cluster, tag = take(), take(), take(), take()
local values = {definitions = take(), holds = take(), access = take(), liveness = {}}
for _ = 1, number() do table.insert(values.liveness, {take(), take()}) end
local record = takeRecord()

generation = its
redis.call('DEL', KEY.meta)
redis.call('HSET', KEY.meta, 'generation', generation, 'schema', ${SCHEMA_VERSION}, 'anchor_seq', record.after, 'anchor_hash', record.previous)
local revision = nextRevision()
for _, document in ipairs(DOCUMENTS) do
  if known[document].revision > 0 then put(document, revision, tag, values[document], now, 'refill') end
end
chain(record)
leap()
tell({{kind = 'store_refilled', at = now, subject = 'store', cause = name, cluster = cluster}}, origin)
return answer('written')
`)

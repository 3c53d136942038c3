import { SCHEMA_VERSION, script } from './script.ts'

/**
 * Makes this store the one that the replicas of another one go by from now on: whoever knows that one learns from here that it has an heir.
 * The definitions that lose are kept in the history.
 * Arguments: by which generation it was asked for; by whom, the run of the replica, the cluster, the channel; the definitions that the replica
 * knows (JSON); what `takeRecord` takes.
 * Answer: `adopted` and the event after which it was; `moved` and the seq and hash that the audit chain ends with; `known`, there
 * is nothing to adopt.
 */
export const ADOPT = script(`
local its = ARGV[1]
local no = stranger()
if not generation then return no or answer('known') end
if tonumber(schema) > ${SCHEMA_VERSION} then return answer('newer') end
if its == '' or its == generation then return answer('known') end
-- Somebody was faster, or it is yet another one.
if no[1] == 'adopted' or take() ~= generation then return no end
local by, origin, cluster, channel = take(), take(), take(), take()
local value = take()
local record = takeRecord()
local seq, hash = auditEnd()
if seq ~= record.after or hash ~= record.previous then return answer('moved', seq, hash) end

local after = newestEvent()
redis.call('HSET', KEY.meta, 'heir:' .. its, after)
local facts = {{kind = 'store_adopted', at = now, subject = 'store', cause = by, cluster = cluster}}
if known.definitions.revision > 0 then
  local revision = orphan(value)
  table.insert(facts, {kind = 'definitions_orphaned', at = now, subject = 'definitions', cause = 'adopted', revision = revision, cluster = cluster})
end
-- Under new numbers, so that they are news to whoever has the old ones of either store.
for _, name in ipairs(DOCUMENTS) do confirm(name) end
chain(record)
tell(facts, origin)
publish(channel, redis.call('HGET', KEY.meta, 'revision'))
return answer('adopted', after)
`)

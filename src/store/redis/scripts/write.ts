import { SCHEMA_VERSION, script } from './script.ts'

/**
 * One step of the ledger.
 * Arguments: the tag of what is written, which is also the generation of a store that has none; when, by whom, from which run of a replica,
 * the channel; how many expectations, and name and revision of each; how many documents, and name and JSON of each; for liveness 'no', or
 * 'all' | 'some' with how many fields to set, their names and JSON, how many to drop and their names; how many facts, and the JSON of
 * each; for the audit chain 'no', or 'record' with what `takeRecord` takes; what `news` takes.
 * Answer: `written` and the revision; `conflict` and what `news` answers; or `moved` and the seq and hash that the audit chain ends with.
 */
export const WRITE = script(`
local no = stranger()
if no then return no end
local tag, at, by, origin, channel = take(), take(), take(), take(), take()

local stale = false
for _ = 1, number() do
  local name, revision = take(), number()
  if stands[name].revision ~= revision then stale = true end
end
local documents = {}
for _ = 1, number() do table.insert(documents, {take(), take()}) end
local liveness = take()
local set, drop = {}, {}
if liveness ~= 'no' then
  for _ = 1, number() do table.insert(set, {take(), take()}) end
  for _ = 1, number() do table.insert(drop, take()) end
end
local facts = {}
for _ = 1, number() do table.insert(facts, take()) end
local record = nil
if take() == 'record' then record = takeRecord() end
if stale then return answer('conflict', news()) end

if record then
  local seq, hash = auditEnd()
  if seq ~= record.after or hash ~= record.previous then return answer('moved', seq, hash) end
end

-- Nothing was written up to here, and nothing is compared from here on.
if not generation then
  generation = tag
  redis.call('HSET', KEY.meta, 'generation', generation, 'schema', ${SCHEMA_VERSION})
  redis.call('HDEL', KEY.meta, 'empty_since')
  -- They were only announced; here begins what they are here for.
  redis.call('DEL', KEY.replicas)
end
local revision = nextRevision()
for _, document in ipairs(documents) do put(document[1], revision, tag, document[2], at, by) end
if liveness == 'all' then put('liveness', revision, tag, set) end
if liveness == 'some' then
  for _, field in ipairs(set) do redis.call('HSET', KEY.liveness, field[1], field[2]) end
  for _, field in ipairs(drop) do redis.call('HDEL', KEY.liveness, field) end
  redis.call('HSET', KEY.liveness, 'revision', revision, 'tag', tag)
end
for n, fact in ipairs(facts) do keep('events', '*', 'id', revision .. '-' .. n, 'origin', origin, 'fact', fact) end
if record then chain(record) end
publish(channel, revision)
return answer('written', revision)
`)

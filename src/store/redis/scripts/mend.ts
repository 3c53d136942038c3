import { script } from './script.ts'

/**
 * Gives a store that has lost its newest end what a replica still knows of it, unless it has gone on elsewhere since. Definitions that lose
 * are kept in the history.
 * Arguments: the run of the replica, its name, the cluster, the channel; definitions, holds and access (JSON); how many fields of
 * liveness, their names and JSON.
 * Answer: `mended`.
 */
export const MEND = script(`
local no = stranger()
if not no or no[1] ~= 'behind' then return no or answer('mended') end
local origin, name, cluster, channel = take(), take(), take(), take()
local values = {definitions = take(), holds = take(), access = take(), liveness = {}}
for _ = 1, number() do table.insert(values.liveness, {take(), take()}) end

local function madeAt(version) return tonumber(string.match(version.tag, '^%d+') or 0) end
local function newestOfHistory()
  local last = redis.call('XREVRANGE', KEY.history, '+', '-', 'COUNT', 1)[1]
  return last and tonumber(string.match(last[1], '^%d+')) or 0
end

if tonumber(redis.call('HGET', KEY.meta, 'revision') or 0) < seen then redis.call('HSET', KEY.meta, 'revision', seen) end
local back, facts = {}, {}
for _, document in ipairs(DOCUMENTS) do
  if lost(document) then
    local mine, its = known[document], stands[document]
    if mine.revision >= its.revision and madeAt(mine) >= madeAt(its) then
      local revision = mine.revision
      -- As it was, so that it is no news to whoever has it; unless others have taken its number meanwhile.
      if revision <= its.revision or document == 'definitions' and revision <= newestOfHistory() then revision = nextRevision() end
      put(document, revision, mine.tag, values[document], now, 'restored')
      table.insert(back, document)
    else
      if document == 'definitions' then
        local revision = orphan(values.definitions)
        table.insert(facts, {kind = 'definitions_orphaned', at = now, subject = 'definitions', cause = 'lost', revision = revision, cluster = cluster})
      end
      confirm(document)
    end
  end
end
if #back > 0 then
  table.insert(facts, {kind = 'store_restored', at = now, subject = 'store', cause = name, documents = back, cluster = cluster})
end
leap()
tell(facts, origin)
publish(channel, seen)
return answer('mended')
`)

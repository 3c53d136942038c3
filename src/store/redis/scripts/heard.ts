import { script } from './script.ts'

/**
 * What was heard here: beats and uses of tokens. The later moment wins, and none is later than now.
 * Arguments: the run of the replica; how many beats, and `GATEWAY/INSTANCE`, ms and JSON of each; how many tokens there are, and the id of
 * each and ms of its last use (0: not known).
 * Answer: `taken`.
 */
export const HEARD = script(`
local no = stranger()
if no then return no end
local origin = take()
local instances, heard = {}, {}
for i = 1, number() do
  instances[i] = take()
  heard[i] = {at = math.min(number(), now), said = take()}
end
inBatches(instances, function(batch, first)
  local scores, fields = {}, {}
  for i, before in ipairs(redis.call('HMGET', KEY.instances, unpack(batch))) do
    local instance, beat = batch[i], heard[first + i - 1]
    if not before or tonumber(string.match(before, '^%d+')) < beat.at then
      table.insert(scores, now)
      table.insert(scores, instance)
      table.insert(fields, instance)
      table.insert(fields, string.format('%.0f %s %s', beat.at, origin, beat.said))
    end
  end
  if #fields > 0 then
    redis.call('ZADD', KEY.beats, unpack(scores))
    redis.call('HSET', KEY.instances, unpack(fields))
  end
end)
local tokens = number()
if tokens == 0 then return answer('taken') end
local used, ids, moments = {}, {}, {}
for i = 1, tokens do
  ids[i], moments[i] = take(), number()
  used[ids[i]] = true
end
inBatches(ids, function(batch, first)
  local fields = {}
  for i, before in ipairs(redis.call('HMGET', KEY.uses, unpack(batch))) do
    local at = moments[first + i - 1]
    if at > tonumber(before or 0) then
      table.insert(fields, batch[i])
      table.insert(fields, at)
    end
  end
  if #fields > 0 then redis.call('HSET', KEY.uses, unpack(fields)) end
end)
for _, id in ipairs(redis.call('HKEYS', KEY.uses)) do
  if not used[id] then redis.call('HDEL', KEY.uses, id) end
end
return answer('taken')
`)

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
for _ = 1, number() do
  local instance, at, said = take(), math.min(number(), now), take()
  local before = redis.call('HGET', KEY.instances, instance)
  if not before or tonumber(string.match(before, '^%d+')) < at then
    redis.call('ZADD', KEY.beats, now, instance)
    redis.call('HSET', KEY.instances, instance, string.format('%.0f %s %s', at, origin, said))
  end
end
local tokens = number()
if tokens == 0 then return answer('taken') end
local used = {}
for _ = 1, tokens do
  local id, at = take(), number()
  used[id] = true
  if at > tonumber(redis.call('HGET', KEY.uses, id) or 0) then redis.call('HSET', KEY.uses, id, at) end
end
for _, id in ipairs(redis.call('HKEYS', KEY.uses)) do
  if not used[id] then redis.call('HDEL', KEY.uses, id) end
end
return answer('taken')
`)

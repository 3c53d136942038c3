import { script } from './script.ts'

/** Ms after which a replica that says nothing is gone. */
const PRESENT = 5_000
/** Ms for which one replica evaluates, unless it asks again. */
const LEASE = 3_000
/** Ms after which an instance that does not beat is forgotten. */
const FORGET_BEATS = 24 * 60 * 60 * 1_000

/**
 * A replica says that it is here, and asks what is new.
 * Arguments: its run, its name, the cluster, what it says of itself (JSON); what `news` takes.
 * Answer: `known`, with the run that evaluates, since when (ms), and what the replicas say (name, text, …), and what `news` answers; or
 * `empty`, for how many ms it has been, and what the replicas say.
 */
export const SYNC = script(`
local no = stranger()
if no and no[1] ~= 'empty' then return no end
local origin, name, cluster, said = take(), take(), take(), take()
local here = string.format('%.0f %s %s', now, origin, said)

if not generation then
  redis.call('HSETNX', KEY.meta, 'empty_since', now)
  redis.call('HSET', KEY.replicas, name, here)
  local since = redis.call('HGET', KEY.meta, 'empty_since')
  return answer('empty', now - since, redis.call('HGETALL', KEY.replicas))
end

-- While nobody could ask, nobody's silence means that he is gone.
local blind = now - (redis.call('HGET', KEY.meta, 'asked_at') or 0) > ${PRESENT / 2}
redis.call('HSET', KEY.meta, 'asked_at', now)
local changes = {}
local function change(kind, subject, cause)
  table.insert(changes, {kind = kind, at = now, subject = subject, cause = cause, cluster = cluster})
end
if redis.call('HEXISTS', KEY.replicas, name) == 0 then change('replica_joined', name, 'started') end
redis.call('HSET', KEY.replicas, name, here)
local replicas = redis.call('HGETALL', KEY.replicas)
for i = 1, #replicas, 2 do
  local at, rest = string.match(replicas[i + 1], '^(%d+) (.*)$')
  if blind then
    redis.call('HSET', KEY.replicas, replicas[i], string.format('%.0f %s', now, rest))
  elseif now - at > ${PRESENT} then
    redis.call('HDEL', KEY.replicas, replicas[i])
    change('replica_left', replicas[i], 'silent')
  end
end
tell(changes, origin)

local watchdog = redis.call('GET', KEY.watchdog)
if not watchdog then
  watchdog = origin
  redis.call('HSET', KEY.meta, 'watchdog_since', now)
end
if watchdog == origin then redis.call('SET', KEY.watchdog, origin, 'PX', ${LEASE}) end

for _, instance in ipairs(redis.call('ZRANGEBYSCORE', KEY.beats, '-inf', now - ${FORGET_BEATS}, 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEY.beats, instance)
  redis.call('HDEL', KEY.instances, instance)
end
local present = {watchdog, redis.call('HGET', KEY.meta, 'watchdog_since') or '0', redis.call('HGETALL', KEY.replicas)}
return answer('known', present, news())
`)

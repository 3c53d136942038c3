import { script } from './script.ts'

/**
 * A replica goes.
 * Arguments: its run, its name, the cluster.
 * Answer: `gone`.
 */
export const LEAVE = script(`
local no = stranger()
if no then return no end
local origin, name, cluster = take(), take(), take()
local text = redis.call('HGET', KEY.replicas, name)
if text and string.match(text, '^%d+ (%S+)') == origin then
  redis.call('HDEL', KEY.replicas, name)
  tell({{kind = 'replica_left', at = now, subject = name, cause = 'stopped', cluster = cluster}}, origin)
end
if redis.call('GET', KEY.watchdog) == origin then redis.call('DEL', KEY.watchdog) end
return answer('gone')
`)

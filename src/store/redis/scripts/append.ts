import { script } from './script.ts'

/**
 * Facts of one replica. A batch that is sent again, since its answer was lost, is not put in twice.
 * Keys: one more, the number of the last batch of this run of the replica.
 * Arguments: the run; the number of this batch; the channel; how many facts, and id and JSON of each.
 * Answer: `taken`.
 */
export const APPEND = script(`
local no = stranger()
if no then return no end
local origin, batch, channel = take(), take(), take()
local last = KEYS[#KEYS]
if redis.call('GET', last) ~= batch then
  redis.call('SET', last, batch, 'EX', 86400)
  for _ = 1, number() do keep('events', '*', 'id', take(), 'origin', origin, 'fact', take()) end
  -- Who may not publish has told all the same.
  redis.pcall('PUBLISH', channel, '')
end
return answer('taken')
`)

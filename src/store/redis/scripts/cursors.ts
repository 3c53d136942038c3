import { script } from './script.ts'

/**
 * How far webhooks were told. Only who is in charge tells them: one that stood still meanwhile must not set them back.
 * Arguments: the run of the replica; the cursors (JSON).
 * Answer: `taken`.
 */
export const CURSORS = script(`
local no = stranger()
if no then return no end
local origin, cursors = take(), take()
local watchdog = redis.call('GET', KEY.watchdog)
if not watchdog or watchdog == origin then redis.call('SET', KEY.cursors, cursors) end
return answer('taken')
`)

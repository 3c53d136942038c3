/**
 * The steps that Redis takes whole or not at all, one a file. They compare and set; what is set was decided by `core`, on our side. A
 * script that fails in the middle is not undone, so each one compares everything first and writes last.
 *
 * Keys: all of `NAMES`, in that order; `append` gets one more.
 * Arguments: read one after the other by `take`. The first ones are those of `stranger`: the generation that the replica knows ('' for
 * none), so that nothing is ever written into, or believed of, a store that is not the one it was; the highest revision that it has seen, which
 * is never given a second time; of each document the revision and the tag that it knows, so that a store which has lost its newest end (a
 * failover to a server that lagged) is noticed. A revision numbers a version of a document; its tag, `MS-RANDOM`, says which one, and when it was made.
 * Answer: what became of it, the generation, seconds and microseconds of Redis's clock, and what each script says of its own.
 *
 * What may become of any of them: `empty`, the store has lost everything; `foreign`, it is another one; `adopted`, it is another one that has taken
 * the place of the one we know, and the event after which it did; `newer`, it was written by a newer version; `behind`, it has not got what
 * the replica knows.
 */
import { createHash } from 'node:crypto'
import { NAMES } from '../keys.ts'

export interface Script {
  readonly lua: string
  readonly sha: string
}

/** Of the layout of the keys. A store with a higher one was written by a newer version. */
export const SCHEMA_VERSION = 1
/** Revisions of the definitions, facts and audit records kept, and bytes of each of them; the oldest go first. */
const MOST = {
  history: { entries: 100, bytes: 32 * 2 ** 20 },
  events: { entries: 10_000, bytes: 32 * 2 ** 20 },
  audit: { entries: 10_000, bytes: 32 * 2 ** 20 },
}

const PRELUDE = `
local KEY = {${NAMES.map((name, i) => `${name} = KEYS[${i + 1}]`).join(', ')}}
local DOCUMENTS = {'definitions', 'holds', 'access', 'liveness'}
local taken = 0
local function take()
  taken = taken + 1
  return ARGV[taken]
end
local function number() return tonumber(take()) end
-- Calls \`run\` for so many elements of a list at a time as a command may well take, with the place of the first one.
local function inBatches(list, run)
  for first = 1, #list, 500 do run({unpack(list, first, math.min(first + 499, #list))}, first) end
end
local generation, schema = unpack(redis.call('HMGET', KEY.meta, 'generation', 'schema'))
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function answer(kind, ...) return {kind, generation or '', time[1], time[2], ...} end

-- The versions of the documents that stand, and that the replica knows; the highest revision that it has seen.
local stands, known, seen = {}, {}, 0
for _, name in ipairs(DOCUMENTS) do
  local revision, tag = unpack(redis.call('HMGET', KEY[name], 'revision', 'tag'))
  stands[name] = {revision = tonumber(revision or 0), tag = tag or ''}
end

-- Was this version of the definitions here, as far back as the history goes?
local function forgotten(version)
  local oldest = redis.call('XRANGE', KEY.history, '-', '+', 'COUNT', 1)[1]
  if not oldest or tonumber(string.match(oldest[1], '^%d+')) > version.revision then return false end
  local start, count = version.revision .. '-0', 1
  -- Nearly always it is the first one that is looked at.
  while true do
    local entries = redis.call('XRANGE', KEY.history, start, '+', 'COUNT', count)
    for _, entry in ipairs(entries) do
      if entry[2][2] == version.tag then return false end
      start = '(' .. entry[1]
    end
    if #entries < count then return true end
    count = 10
  end
end

-- Has the store lost what the replica knows of a document? It may have gone on from there, but not be before it, nor elsewhere.
local function lost(name)
  local mine, its = known[name], stands[name]
  if mine.revision < its.revision then return name == 'definitions' and mine.revision > 0 and forgotten(mine) end
  return mine.revision > its.revision or mine.tag ~= its.tag
end

-- Takes what the replica knows. Nil: this is the store that it is of, or both are new; otherwise the answer that says why not.
local function stranger()
  local its = take()
  seen = number()
  for _, name in ipairs(DOCUMENTS) do known[name] = {revision = number(), tag = take()} end
  if not generation then return its ~= '' and answer('empty') or nil end
  if its ~= '' and its ~= generation then
    local after = redis.call('HGET', KEY.meta, 'heir:' .. its)
    return after and answer('adopted', after) or answer('foreign')
  end
  if tonumber(schema) > ${SCHEMA_VERSION} then return answer('newer') end
  for _, name in ipairs(DOCUMENTS) do
    if lost(name) then return answer('behind') end
  end
end

local function nextRevision()
  local revision = math.max(seen, tonumber(redis.call('HGET', KEY.meta, 'revision') or 0)) + 1
  redis.call('HSET', KEY.meta, 'revision', revision)
  return revision
end

-- Something was lost, and with it perhaps revisions that nobody here has seen: facts have them in their ids.
local function leap() redis.call('HINCRBY', KEY.meta, 'revision', 1000) end

-- Adds to a stream, which keeps so many entries and bytes; its newest entry always stays. Answers the newest that had to go.
local MOST = {${Object.entries(MOST)
  .map(([name, { entries, bytes }]) => `${name} = {${entries}, ${bytes}}`)
  .join(', ')}}
local function keep(name, place, ...)
  local function bytes(texts)
    local sum = 0
    for _, text in ipairs(texts) do sum = sum + #tostring(text) end
    return sum
  end
  redis.call('XADD', KEY[name], place, ...)
  local total = redis.call('HINCRBY', KEY.meta, name .. '_bytes', bytes({...}))
  local entries = redis.call('XLEN', KEY[name])
  local gone
  while entries > 1 and (entries > MOST[name][1] or total > MOST[name][2]) do
    gone = redis.call('XRANGE', KEY[name], '-', '+', 'COUNT', 1)[1]
    redis.call('XDEL', KEY[name], gone[1])
    total = redis.call('HINCRBY', KEY.meta, name .. '_bytes', -bytes(gone[2]))
    entries = entries - 1
  end
  return gone
end

-- A document as a whole. 'value': its JSON; of liveness a list of fields, each with its JSON.
local function put(name, revision, tag, value, at, by)
  if name == 'liveness' then
    redis.call('DEL', KEY.liveness)
    for _, field in ipairs(value) do redis.call('HSET', KEY.liveness, field[1], field[2]) end
    redis.call('HSET', KEY.liveness, 'revision', revision, 'tag', tag)
    return
  end
  redis.call('HSET', KEY[name], 'revision', revision, 'tag', tag, 'value', value, 'at', at, 'by', by)
  if name == 'definitions' then keep('history', revision .. '-0', 'tag', tag, 'at', at, 'by', by, 'value', value) end
end

-- Keeps definitions that have lost against those that stand, which are the newest of the history again. Answers their revision.
local function orphan(value)
  local revision = nextRevision()
  keep('history', revision .. '-0', 'tag', known.definitions.tag, 'at', now, 'by', 'orphaned', 'value', value)
  return revision
end
local function confirm(name)
  if stands[name].revision == 0 then return end
  local revision = nextRevision()
  redis.call('HSET', KEY[name], 'revision', revision)
  if name ~= 'definitions' then return end
  local tag, at, by, value = unpack(redis.call('HMGET', KEY.definitions, 'tag', 'at', 'by', 'value'))
  keep('history', revision .. '-0', 'tag', tag or '', 'at', at, 'by', by, 'value', value)
end

-- Facts that Redis alone can know: they have a revision of their own.
local function tell(facts, origin)
  if #facts == 0 then return end
  local revision = nextRevision()
  for n, fact in ipairs(facts) do
    keep('events', '*', 'id', revision .. '-' .. n, 'origin', origin, 'fact', cjson.encode(fact))
  end
end

local function auditEnd()
  local seq, hash = unpack(redis.call('HMGET', KEY.meta, 'audit_seq', 'audit_hash'))
  return seq or '0', hash or string.rep('0', 64)
end
-- A record, with the end of the chain that it is bound to.
local function takeRecord() return {after = take(), previous = take(), seq = take(), hash = take(), text = take()} end
local function chain(record)
  local gone = keep('audit', record.seq .. '-0', 'previous', record.previous, 'hash', record.hash, 'text', record.text)
  redis.call('HSET', KEY.meta, 'audit_seq', record.seq, 'audit_hash', record.hash)
  -- The last record that goes is what the oldest one that stays is bound to.
  if gone then redis.call('HSET', KEY.meta, 'anchor_seq', string.match(gone[1], '^%d+'), 'anchor_hash', gone[2][4]) end
end

-- Who may not publish has written all the same.
local function publish(channel, revision) redis.pcall('PUBLISH', channel, revision) end

local function newestEvent()
  local last = redis.call('XREVRANGE', KEY.events, '+', '-', 'COUNT', 1)[1]
  return last and last[1] or '0-0'
end

-- Takes the event that the replica has heard last, and since when it knows the beats (ms). Answers the documents that are others now, the
-- facts after that event ('': none are wanted), the newest event, the beats (GATEWAY/INSTANCE, text, …), since whoever hears that a
-- gateway is back has to know the beat that it came back with, the end of the audit chain, and the revision.
local function news()
  local changed = {}
  for _, name in ipairs(DOCUMENTS) do
    local mine, its = known[name], stands[name]
    if mine.revision ~= its.revision or mine.tag ~= its.tag then
      local value = name == 'liveness' and redis.call('HGETALL', KEY.liveness) or redis.call('HGET', KEY[name], 'value')
      table.insert(changed, {name, its.revision, its.tag, value})
    end
  end
  local cursor = take()
  local told = cursor == '' and {} or redis.call('XRANGE', KEY.events, '(' .. cursor, '+')
  local beats = {}
  inBatches(redis.call('ZRANGEBYSCORE', KEY.beats, take(), '+inf'), function(batch)
    for i, text in ipairs(redis.call('HMGET', KEY.instances, unpack(batch))) do
      table.insert(beats, batch[i])
      table.insert(beats, text)
    end
  end)
  return changed, told, newestEvent(), beats, {auditEnd()}, redis.call('HGET', KEY.meta, 'revision') or '0'
end
`

/** The script of what comes after the prelude. */
export function script(lua: string): Script {
  const whole = PRELUDE + lua
  return { lua: whole, sha: createHash('sha1').update(whole).digest('hex') }
}

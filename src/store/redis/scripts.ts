/**
 * The steps that Redis takes whole or not at all. They compare and set; what is set was decided by `core`, on our side. A script that
 * fails in the middle is not undone, so each one compares everything first and writes last.
 *
 * Keys: all of `NAMES`, in that order; `append` gets one more.
 * Arguments: read one after the other by `take`; the first is the generation that the replica knows ('' for none), so that nothing is ever
 * written into, or believed of, a store that is not the one it was; the second is the highest revision that it has seen, so that a store which
 * has lost its newest end (a failover to a server that lagged) gives no revision a second time.
 * Answer: what became of it, the generation, seconds and microseconds of Redis's clock, and what each script says of its own.
 */
import { createHash } from 'node:crypto'
import { NAMES } from './keys.ts'

export interface Script {
  readonly lua: string
  readonly sha: string
}

/** Of the layout of the keys. A store with a higher one was written by a newer version. */
export const SCHEMA_VERSION = 1
/** Revisions of the definitions, facts and audit records kept; the oldest go first. */
const MOST_HISTORY = 100
const MOST_EVENTS = 10_000
const MOST_RECORDS = 10_000

/** Ms after which a replica that says nothing is gone. */
const PRESENT = 5_000
/** Ms for which one replica evaluates, unless it asks again. */
const LEASE = 3_000
/** Ms after which an instance that does not beat is forgotten. */
const FORGET_BEATS = 24 * 60 * 60 * 1_000

const PRELUDE = `
local KEY = {${NAMES.map((name, i) => `${name} = KEYS[${i + 1}]`).join(', ')}}
local DOCUMENTS = {'definitions', 'holds', 'access', 'liveness'}
local taken = 0
local function take()
  taken = taken + 1
  return ARGV[taken]
end
local function number() return tonumber(take()) end
local generation = redis.call('HGET', KEY.meta, 'generation')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function answer(kind, ...) return {kind, generation or '', time[1], time[2], ...} end

local seen = 0

-- Nil: this is the store that the replica knows, or both are new.
local function stranger()
  local known = take()
  seen = number()
  if not generation then return known ~= '' and 'empty' or nil end
  if known ~= '' and known ~= generation then return 'foreign' end
  if tonumber(redis.call('HGET', KEY.meta, 'schema')) > ${SCHEMA_VERSION} then return 'newer' end
end

local function nextRevision()
  local revision = math.max(seen, tonumber(redis.call('HGET', KEY.meta, 'revision') or 0)) + 1
  redis.call('HSET', KEY.meta, 'revision', revision)
  return revision
end

-- Facts that Redis alone can know: they have a revision of their own.
local function tell(facts, origin)
  if #facts == 0 then return end
  local revision = nextRevision()
  for n, fact in ipairs(facts) do
    local text = cjson.encode(fact)
    redis.call('XADD', KEY.events, 'MAXLEN', '=', ${MOST_EVENTS}, '*', 'id', revision .. '-' .. n, 'origin', origin, 'fact', text)
  end
end

local function revisionOf(name) return redis.call('HGET', KEY[name], 'revision') or '0' end

-- Takes the four revisions and the event that the replica knows, and since when it knows the beats (ms). Answers the documents that are
-- others now, the facts after that event ('': none are wanted), the newest event, and the beats (GATEWAY/INSTANCE, text, …): whoever hears
-- that a gateway is back has to know the beat that it came back with.
local function news()
  local changed = {}
  for _, name in ipairs(DOCUMENTS) do
    local known, revision = take(), revisionOf(name)
    if known ~= revision then
      local value = name == 'liveness' and redis.call('HGETALL', KEY.liveness) or redis.call('HGET', KEY[name], 'value')
      table.insert(changed, {name, revision, value})
    end
  end
  local cursor = take()
  local told = cursor == '' and {} or redis.call('XRANGE', KEY.events, '(' .. cursor, '+')
  local last = redis.call('XREVRANGE', KEY.events, '+', '-', 'COUNT', 1)[1]
  local beats = {}
  for _, instance in ipairs(redis.call('ZRANGEBYSCORE', KEY.beats, take(), '+inf')) do
    table.insert(beats, instance)
    table.insert(beats, redis.call('HGET', KEY.instances, instance))
  end
  return changed, told, last and last[1] or '0-0', beats
end
`

const script = (lua: string): Script => {
  const whole = PRELUDE + lua
  return { lua: whole, sha: createHash('sha1').update(whole).digest('hex') }
}

/**
 * Arguments: what `news` takes.
 * Answer: `known`, and what `news` answers; or `empty`, `foreign`, `newer`.
 */
export const READ = script(`
local strange = stranger()
if strange then return answer(strange) end
return answer('known', news())
`)

/**
 * One step of the ledger.
 * Arguments: a generation for a store that has none; when, by whom, from which run of a replica, the channel; how many expectations, and
 * name and revision of each; how many documents, and name and JSON of each; for liveness 'no', or 'all' | 'some' with how many fields to
 * set, their names and JSON, how many to drop and their names; how many facts, and the JSON of each; for the audit chain 'no', or the seq
 * and hash that it has to end with, then seq, hash and text of the record; what `news` takes.
 * Answer: `written` and the revision; `conflict` and what `news` answers; `moved` and the seq and hash that the audit chain ends with;
 * or `empty`, `foreign`, `newer`.
 */
export const WRITE = script(`
local strange = stranger()
if strange then return answer(strange) end
local fresh, at, by, origin, channel = take(), take(), take(), take(), take()

local stale = false
for _ = 1, number() do
  local name, revision = take(), take()
  if revisionOf(name) ~= revision then stale = true end
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
if take() == 'record' then record = {after = take(), hash = take(), seq = take(), own = take(), text = take()} end
if stale then return answer('conflict', news()) end

if record then
  local last = redis.call('XREVRANGE', KEY.audit, '+', '-', 'COUNT', 1)[1]
  local seq, hash = redis.call('HGET', KEY.meta, 'anchor_seq') or '0', redis.call('HGET', KEY.meta, 'anchor_hash') or string.rep('0', 64)
  if last then
    seq, hash = string.match(last[1], '^%d+'), last[2][4]
  end
  if seq ~= record.after or hash ~= record.hash then return answer('moved', seq, hash) end
end

-- Nothing was written up to here, and nothing is compared from here on.
if not generation then
  generation = fresh
  redis.call('HSET', KEY.meta, 'generation', fresh, 'schema', ${SCHEMA_VERSION})
  redis.call('HDEL', KEY.meta, 'empty_since')
  -- They were only announced; here begins what they are here for.
  redis.call('DEL', KEY.replicas)
end
local revision = nextRevision()
for _, document in ipairs(documents) do
  local name, value = document[1], document[2]
  redis.call('HSET', KEY[name], 'revision', revision, 'value', value, 'at', at, 'by', by)
  if name == 'definitions' then
    redis.call('XADD', KEY.history, 'MAXLEN', '=', ${MOST_HISTORY}, revision .. '-0', 'at', at, 'by', by, 'value', value)
  end
end
if liveness ~= 'no' then
  if liveness == 'all' then redis.call('DEL', KEY.liveness) end
  redis.call('HSET', KEY.liveness, 'revision', revision)
  for _, field in ipairs(set) do redis.call('HSET', KEY.liveness, field[1], field[2]) end
  for _, field in ipairs(drop) do redis.call('HDEL', KEY.liveness, field) end
end
for n, fact in ipairs(facts) do
  redis.call('XADD', KEY.events, 'MAXLEN', '=', ${MOST_EVENTS}, '*', 'id', revision .. '-' .. n, 'origin', origin, 'fact', fact)
end
if record then
  -- The last record that goes is what the oldest one that stays is bound to.
  if redis.call('XLEN', KEY.audit) >= ${MOST_RECORDS} then
    local oldest = redis.call('XRANGE', KEY.audit, '-', '+', 'COUNT', 1)[1]
    redis.call('HSET', KEY.meta, 'anchor_seq', string.match(oldest[1], '^%d+'), 'anchor_hash', oldest[2][4])
  end
  redis.call('XADD', KEY.audit, 'MAXLEN', '=', ${MOST_RECORDS}, record.seq .. '-0', 'previous', record.hash, 'hash', record.own, 'text', record.text)
end
-- Who may not publish has written all the same.
redis.pcall('PUBLISH', channel, revision)
return answer('written', revision)
`)

/**
 * Facts of one replica. A batch that is sent again, since its answer was lost, is not put in twice.
 * Keys: one more, the number of the last batch of this run of the replica.
 * Arguments: the run; the number of this batch; how many facts, and id and JSON of each.
 * Answer: `taken`; or `empty`, `foreign`, `newer`.
 */
export const APPEND = script(`
local strange = stranger()
if strange then return answer(strange) end
local origin, batch = take(), take()
local last = KEYS[#KEYS]
if redis.call('GET', last) ~= batch then
  redis.call('SET', last, batch, 'EX', 86400)
  for _ = 1, number() do
    redis.call('XADD', KEY.events, 'MAXLEN', '=', ${MOST_EVENTS}, '*', 'id', take(), 'origin', origin, 'fact', take())
  end
end
return answer('taken')
`)

/**
 * What was heard here: beats and uses of tokens. The later moment wins, and none is later than now.
 * Arguments: the run of the replica; how many beats, and `GATEWAY/INSTANCE`, ms and JSON of each; how many tokens there are, and the id of
 * each and ms of its last use (0: not known).
 * Answer: `taken`; or `empty`, `foreign`, `newer`.
 */
export const HEARD = script(`
local strange = stranger()
if strange then return answer(strange) end
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
local known = {}
for _ = 1, tokens do
  local id, at = take(), number()
  known[id] = true
  if at > tonumber(redis.call('HGET', KEY.uses, id) or 0) then redis.call('HSET', KEY.uses, id, at) end
end
for _, id in ipairs(redis.call('HKEYS', KEY.uses)) do
  if not known[id] then redis.call('HDEL', KEY.uses, id) end
end
return answer('taken')
`)

/**
 * A replica says that it is here, and asks what is new.
 * Arguments: its run, its name, the cluster, what it says of itself (JSON); what `news` takes.
 * Answer: `known`, what `news` answers, the revision, the run that evaluates, what the replicas say (name, text, …); or
 * `empty`, for how many ms it has been, and what the replicas say; or `foreign`, `newer`.
 */
export const SYNC = script(`
local strange = stranger()
if strange and strange ~= 'empty' then return answer(strange) end
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
  local seen, rest = string.match(replicas[i + 1], '^(%d+) (.*)$')
  if blind then
    redis.call('HSET', KEY.replicas, replicas[i], string.format('%.0f %s', now, rest))
  elseif now - seen > ${PRESENT} then
    redis.call('HDEL', KEY.replicas, replicas[i])
    change('replica_left', replicas[i], 'silent')
  end
end
tell(changes, origin)

local watchdog = redis.call('GET', KEY.watchdog)
if not watchdog or watchdog == origin then
  redis.call('SET', KEY.watchdog, origin, 'PX', ${LEASE})
  watchdog = origin
end

for _, instance in ipairs(redis.call('ZRANGEBYSCORE', KEY.beats, '-inf', now - ${FORGET_BEATS}, 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEY.beats, instance)
  redis.call('HDEL', KEY.instances, instance)
end
local changed, told, last, beats = news()
local revision = redis.call('HGET', KEY.meta, 'revision') or '0'
return answer('known', changed, told, last, beats, revision, watchdog, redis.call('HGETALL', KEY.replicas))
`)

/**
 * A replica goes.
 * Arguments: its run, its name, the cluster.
 * Answer: `gone`; or `empty`, `foreign`, `newer`.
 */
export const LEAVE = script(`
local strange = stranger()
if strange then return answer(strange) end
local origin, name, cluster = take(), take(), take()
local text = redis.call('HGET', KEY.replicas, name)
if text and string.match(text, '^%d+ (%S+)') == origin then
  redis.call('HDEL', KEY.replicas, name)
  tell({{kind = 'replica_left', at = now, subject = name, cause = 'stopped', cluster = cluster}}, origin)
end
if redis.call('GET', KEY.watchdog) == origin then redis.call('DEL', KEY.watchdog) end
return answer('gone')
`)

/**
 * Fills a store that has lost everything with what a replica remembers.
 * Arguments: when; the next revision; how many documents, and name and JSON of each; how many fields of liveness, their names and JSON.
 * Answer: `written`; or `foreign` where somebody else was faster with something else, `newer`.
 */
export const REFILL = script(`
local known = ARGV[1]
if generation then return answer(stranger() or 'written') end
taken = 2
local at, revision = take(), take()
redis.call('DEL', KEY.meta)
redis.call('HSET', KEY.meta, 'generation', known, 'schema', ${SCHEMA_VERSION}, 'revision', revision)
generation = known
for _ = 1, number() do
  local name, value = take(), take()
  redis.call('HSET', KEY[name], 'revision', revision, 'value', value, 'at', at, 'by', 'refill')
  if name == 'definitions' then redis.call('XADD', KEY.history, revision .. '-0', 'at', at, 'by', 'refill', 'value', value) end
end
redis.call('HSET', KEY.liveness, 'revision', revision)
for _ = 1, number() do redis.call('HSET', KEY.liveness, take(), take()) end
return answer('written', revision)
`)

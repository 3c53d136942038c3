import { createHash } from 'node:crypto'
import type { Script } from './script.ts'

/** Everything that the scripts and the store ask of Redis, in a form that does no harm to a key of its own. */
const USED = [
  ['HSET', 'f', '1'],
  ['HSETNX', 'f', '1'],
  ['HINCRBY', 'f', '1'],
  ['HGET', 'f'],
  ['HMGET', 'f'],
  ['HEXISTS', 'f'],
  ['HKEYS'],
  ['HGETALL'],
  ['HDEL', 'f'],
  ['XADD', '*', 'f', '1'],
  ['XLEN'],
  ['XRANGE', '-', '+'],
  ['XREVRANGE', '+', '-'],
  ['XDEL', '1-1'],
  ['ZADD', '1', 'm'],
  ['ZRANGEBYSCORE', '0', '1'],
  ['ZREM', 'm'],
  ['SET', '1', 'PX', '1'],
  ['GET'],
  ['DEL'],
]

const lua = `
local lacking = {}
local function ask(command, ...)
  local said = redis.pcall(command, ...)
  if type(said) == 'table' and said.err then
    if string.find(said.err, 'ACL') or string.find(said.err, 'permission') or string.find(said.err, "can't run") or string.find(said.err, "can't access") then
      table.insert(lacking, string.lower(command))
    end
    return ''
  end
  return said
end
${USED.map(([command, ...args]) => `ask('${command}', KEYS[1]${args.map(arg => `, '${arg}'`).join('')})`).join('\n')}
ask('TIME')
ask('PUBLISH', ARGV[1], '0')
return {ask('INFO', 'server'), ask('INFO', 'memory'), ask('INFO', 'persistence'), lacking}
`

/**
 * Looks whether this Redis is fit for what it is there for, and what its user may do.
 * Keys: one that nothing else uses.
 * Arguments: the channel of the news.
 * Answer: INFO about the server, its memory and its persistence ('' where that is not allowed); the commands that are not allowed.
 */
export const LOOK: Script = { lua, sha: createHash('sha1').update(lua).digest('hex') }

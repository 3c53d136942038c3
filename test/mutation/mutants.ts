/**
 * Every check after which a store sets something, each with what stands there when it is taken away, and the tests that have to notice. A check
 * that is written or changed has its row here: `marker` is exactly what is in the file, and has to be there once.
 */

/** Files that run by themselves and write TAP, with their arguments. */
export const suites = {
  /** The contract of all stores (`test/store/contract.ts`), kept by each of the two. */
  embedded: ['test/mutation/contract-of.ts', 'embedded'],
  redis: ['test/mutation/contract-of.ts', 'redis'],
  /** What only a store that several replicas share has to compare. */
  scripts: ['test/daemons/redis-scripts.test.ts'],
  loss: ['test/daemons/redis-loss.test.ts'],
} as const satisfies Record<string, readonly string[]>

export interface Mutant {
  /** In `src/store`. */
  readonly file: string
  /** What is not looked at any more. */
  readonly without: string
  readonly marker: string
  readonly instead: string
  readonly suite: keyof typeof suites
}

const EMBEDDED = 'embedded.ts'
const SCRIPT = 'redis/scripts/script.ts'
const WRITE = 'redis/scripts/write.ts'
const MEND = 'redis/scripts/mend.ts'
const REFILL = 'redis/scripts/refill.ts'
const ADOPT = 'redis/scripts/adopt.ts'
const SYNC = 'redis/scripts/sync.ts'
const HEARD = 'redis/scripts/heard.ts'
const LEAVE = 'redis/scripts/leave.ts'

/** The scripts that begin by asking whether this is the store that the replica knows, and do nothing else where it is not. */
const guarded = ['append', 'cursors', 'heard', 'leave', 'read', 'write']

export const mutants: readonly Mutant[] = [
  {
    file: EMBEDDED,
    without: 'whether what is expected stands',
    marker: 'if (Object.entries(expect).some(isStale))',
    instead: 'if (Object.entries(expect).length < 0)',
    suite: 'embedded',
  },
  {
    file: EMBEDDED,
    without: 'whether something newer is expected than stands',
    marker: '.get(name)?.revision ?? 0) !== revision',
    instead: '.get(name)?.revision ?? 0) > revision',
    suite: 'embedded',
  },
  {
    file: EMBEDDED,
    without: 'whether something older is expected than stands',
    marker: '.get(name)?.revision ?? 0) !== revision',
    instead: '.get(name)?.revision ?? 0) < revision',
    suite: 'embedded',
  },
  {
    file: EMBEDDED,
    without: 'which use of a token is the later one',
    marker: 'Math.max(own(some, id) ?? 0, own(others, id) ?? 0)',
    instead: 'own(others, id) ?? own(some, id) ?? 0',
    suite: 'embedded',
  },
  {
    file: WRITE,
    without: 'whether what is expected stands',
    marker: 'if stands[name].revision ~= revision then stale = true end',
    instead: '',
    suite: 'redis',
  },
  {
    file: WRITE,
    without: 'whether something newer is expected than stands',
    marker: 'stands[name].revision ~= revision',
    instead: 'stands[name].revision > revision',
    suite: 'redis',
  },
  {
    file: WRITE,
    without: 'whether something older is expected than stands',
    marker: 'stands[name].revision ~= revision',
    instead: 'stands[name].revision < revision',
    suite: 'redis',
  },
  {
    file: WRITE,
    without: 'what came of the comparison',
    marker: "if stale then return answer('conflict', news()) end",
    instead: '',
    suite: 'redis',
  },
  {
    file: WRITE,
    without: 'whether the audit chain still ends there',
    marker: "if seq ~= record.after or hash ~= record.previous then return answer('moved', seq, hash) end",
    instead: '',
    suite: 'redis',
  },
  {
    file: WRITE,
    without: 'whether the store has a generation',
    marker: 'if not generation then\n  generation = tag',
    instead: 'if true then\n  generation = tag',
    suite: 'redis',
  },
  {
    file: HEARD,
    without: 'which use of a token is the later one',
    marker: 'if at > tonumber(before or 0) then',
    instead: 'if true then',
    suite: 'redis',
  },

  ...guarded.map(
    (name): Mutant => ({
      file: `redis/scripts/${name}.ts`,
      without: 'whether this is the store that the replica knows',
      marker: 'if no then return no end',
      instead: '',
      suite: 'scripts',
    }),
  ),
  {
    file: SCRIPT,
    without: 'whether the store is empty',
    marker: "return its ~= '' and answer('empty') or nil end",
    instead: 'return nil end',
    suite: 'scripts',
  },
  {
    file: SCRIPT,
    without: 'whether it is of another generation',
    marker: "if its ~= '' and its ~= generation then",
    instead: 'if false then',
    suite: 'scripts',
  },
  {
    file: SCRIPT,
    without: 'whether a newer version wrote it',
    marker: "if tonumber(schema) > ${SCHEMA_VERSION} then return answer('newer') end",
    instead: '',
    suite: 'scripts',
  },
  {
    file: SCRIPT,
    without: 'whether it has lost something',
    marker: "if lost(name) then return answer('behind') end",
    instead: '',
    suite: 'scripts',
  },
  {
    file: SCRIPT,
    without: 'whether the same number is the same version',
    marker: 'return mine.revision > its.revision or mine.tag ~= its.tag',
    instead: 'return mine.revision > its.revision',
    suite: 'loss',
  },
  {
    file: SCRIPT,
    without: 'whether what has a higher number came after what the replica knows',
    marker: "return name == 'definitions' and mine.revision > 0 and forgotten(mine) end",
    instead: 'return false end',
    suite: 'loss',
  },
  {
    file: SCRIPT,
    without: 'whether a revision was given before',
    marker: "math.max(seen, tonumber(redis.call('HGET', KEY.meta, 'revision') or 0)) + 1",
    instead: "tonumber(redis.call('HGET', KEY.meta, 'revision') or 0) + 1",
    suite: 'scripts',
  },
  {
    file: 'redis/scripts/append.ts',
    without: 'whether these facts were put in already',
    marker: "if redis.call('GET', last) ~= batch then",
    instead: 'if true then',
    suite: 'scripts',
  },
  {
    file: 'redis/scripts/cursors.ts',
    without: 'who is in charge',
    marker: 'if not watchdog or watchdog == origin then',
    instead: 'if true then',
    suite: 'loss',
  },
  {
    file: HEARD,
    without: 'which beat is the later one',
    marker: "if not before or tonumber(string.match(before, '^%d+')) < beat.at then",
    instead: 'if true then',
    suite: 'scripts',
  },
  {
    file: HEARD,
    without: 'whether a beat is of the future',
    marker: 'math.min(number(), now)',
    instead: 'number()',
    suite: 'scripts',
  },
  {
    file: LEAVE,
    without: 'whether the name is still that of this run',
    marker: "if text and string.match(text, '^%d+ (%S+)') == origin then",
    instead: 'if text then',
    suite: 'scripts',
  },
  {
    file: LEAVE,
    without: 'whether this run is in charge',
    marker: "if redis.call('GET', KEY.watchdog) == origin then",
    instead: 'if true then',
    suite: 'scripts',
  },
  {
    file: SYNC,
    without: 'whether this is the store that the replica knows',
    marker: "if no and no[1] ~= 'empty' then return no end",
    instead: '',
    suite: 'scripts',
  },
  {
    file: SYNC,
    without: 'whether somebody is in charge',
    marker: 'if not watchdog then\n  watchdog = origin',
    instead: 'if true then\n  watchdog = origin',
    suite: 'loss',
  },
  {
    file: SYNC,
    without: 'whose lease it is',
    marker: "if watchdog == origin then redis.call('SET'",
    instead: "if true then redis.call('SET'",
    suite: 'loss',
  },
  {
    file: MEND,
    without: 'whether the store has lost something',
    marker: "if not no or no[1] ~= 'behind' then return no or answer('mended') end",
    instead: '',
    suite: 'scripts',
  },
  {
    file: MEND,
    without: 'which documents were lost',
    marker: 'if lost(document) then',
    instead: 'if true then',
    suite: 'loss',
  },
  {
    file: MEND,
    without: 'who has made more changes',
    marker: 'if mine.revision >= its.revision and madeAt',
    instead: 'if madeAt',
    suite: 'loss',
  },
  {
    file: MEND,
    without: 'who has made the later change',
    marker: 'and madeAt(mine) >= madeAt(its) then',
    instead: 'then',
    suite: 'loss',
  },
  {
    file: MEND,
    without: 'whether the number of what is put back is taken',
    marker: "revision <= its.revision or document == 'definitions' and revision <= newestOfHistory()",
    instead: 'false',
    suite: 'loss',
  },
  {
    file: REFILL,
    without: 'whether somebody was faster',
    marker: "if generation then return no or answer('written') end",
    instead: '',
    suite: 'scripts',
  },
  {
    file: ADOPT,
    without: 'whether it is adopted already',
    marker: "if its == '' or its == generation then return answer('known') end",
    instead: '',
    suite: 'scripts',
  },
  {
    file: ADOPT,
    without: 'whether it is the store that was looked at',
    marker: "if no[1] == 'adopted' or take() ~= generation then return no end",
    instead: "if no[1] == 'adopted' or take() == '' then return no end",
    suite: 'scripts',
  },
  {
    file: ADOPT,
    without: 'whether the audit chain still ends there',
    marker: "if seq ~= record.after or hash ~= record.previous then return answer('moved', seq, hash) end",
    instead: '',
    suite: 'scripts',
  },
]

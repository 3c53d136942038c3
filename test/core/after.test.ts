import { test } from 'tap'
import { type AttemptEnd, after, type Circumstances, type Next } from '../../src/core/after.ts'

/** A GET on a fresh connection that was sent whole; nothing came back yet, and all retries are left. */
const plain: Circumstances = {
  reused: false,
  sent: true,
  idempotent: true,
  held: true,
  answered: false,
  refreshed: false,
  triesLeft: 2,
  inTime: true,
  retries: 0,
}

const circumstances = {
  'a GET': {},
  'a GET, its second retry': { retries: 1 },
  'a GET on a reused connection': { reused: true },
  'a GET on a reused connection, too late': { reused: true, inTime: false },
  'a GET on a fresh connection after a reused one': { refreshed: true, retries: 1 },
  'a GET, no tries left': { triesLeft: 0 },
  'a GET, too late': { inTime: false },
  'a GET whose answer has begun': { answered: true },
  'a PUT whose body is held no longer': { held: false },
  'a POST of which a byte was sent': { idempotent: false },
  'a POST of which a byte was sent, on a reused connection': { idempotent: false, reused: true },
  'a POST of which nothing was sent': { idempotent: false, sent: false },
  'a POST of which nothing was sent, on a reused connection': { idempotent: false, sent: false, reused: true },
  'a POST of which nothing was sent, its second retry': { idempotent: false, sent: false, retries: 1 },
} satisfies Record<string, Partial<Circumstances>>
type Case = keyof typeof circumstances

const CUT = 'cut, blamed'
const LEFT = 'answer 499'
const BAD = 'answer 502, blamed'
const LATE = 'answer 504, blamed'
const DOWN = 'all down, else 502, blamed'
const DOWN_LATE = 'all down, else 504, blamed'
const SAME = 'again, the same, free'
const FREE = 'again, another, free, blamed'
const PAID = 'again, another, blamed'

function inWords(next: Next): string {
  const blame = next.blame ? ', blamed' : ''
  switch (next.kind) {
    case 'again':
      return `again, ${next.where === 'same' ? 'the same' : 'another'}${next.free ? ', free' : ''}${blame}`
    case 'give_up':
      return next.status === 'cut' ? `cut${blame}` : `answer ${next.status}${blame}`
    case 'exhausted':
      return `all down, else ${next.status}${blame}`
  }
}

/** Where nothing of the request reached the upstream, whatever its method. */
const unsent = (exhausted: string, refused: string, again = FREE): Record<Case, string> => ({
  'a GET': again,
  'a GET, its second retry': again,
  'a GET on a reused connection': again,
  'a GET on a reused connection, too late': exhausted,
  'a GET on a fresh connection after a reused one': again,
  'a GET, no tries left': exhausted,
  'a GET, too late': exhausted,
  'a GET whose answer has begun': CUT,
  'a PUT whose body is held no longer': refused,
  'a POST of which a byte was sent': again,
  'a POST of which a byte was sent, on a reused connection': again,
  'a POST of which nothing was sent': again,
  'a POST of which nothing was sent, on a reused connection': again,
  'a POST of which nothing was sent, its second retry': again,
})

const lost: Record<Case, string> = {
  'a GET': FREE,
  'a GET, its second retry': PAID,
  'a GET on a reused connection': SAME,
  'a GET on a reused connection, too late': DOWN,
  'a GET on a fresh connection after a reused one': PAID,
  'a GET, no tries left': DOWN,
  'a GET, too late': DOWN,
  'a GET whose answer has begun': CUT,
  'a PUT whose body is held no longer': BAD,
  'a POST of which a byte was sent': BAD,
  'a POST of which a byte was sent, on a reused connection': 'answer 502',
  'a POST of which nothing was sent': FREE,
  'a POST of which nothing was sent, on a reused connection': SAME,
  'a POST of which nothing was sent, its second retry': FREE,
}

const always = (answer: string): Record<Case, string> =>
  Object.fromEntries(Object.keys(circumstances).map(name => [name, answer])) as Record<Case, string>

/** Every end × what may still be done about it. */
const table: Record<AttemptEnd, Record<Case, string>> = {
  connect_refused: unsent(DOWN, BAD),
  connect_timeout: unsent(DOWN_LATE, LATE),
  not_dialled: unsent('answer 503', 'answer 503', 'again, another, free'),
  closed: lost,
  reset: lost,
  malformed: {
    ...lost,
    'a POST of which a byte was sent, on a reused connection': BAD,
    'a GET': PAID,
    'a GET on a reused connection': PAID,
    'a POST of which nothing was sent, on a reused connection': FREE,
  },
  response_timeout: {
    'a GET': PAID,
    'a GET, its second retry': PAID,
    'a GET on a reused connection': PAID,
    // The wait for this very answer does not count against `within`.
    'a GET on a reused connection, too late': PAID,
    'a GET, too late': PAID,
    'a GET on a fresh connection after a reused one': PAID,
    'a GET, no tries left': DOWN_LATE,
    'a GET whose answer has begun': CUT,
    'a PUT whose body is held no longer': LATE,
    'a POST of which a byte was sent': LATE,
    'a POST of which a byte was sent, on a reused connection': LATE,
    'a POST of which nothing was sent': FREE,
    'a POST of which nothing was sent, on a reused connection': FREE,
    'a POST of which nothing was sent, its second retry': FREE,
  },
  body_cut: always(CUT),
  client_left: always(LEFT),
}

for (const end of Object.keys(table) as AttemptEnd[]) {
  test(`${end}: what comes next`, t => {
    for (const [name, changes] of Object.entries(circumstances)) {
      t.equal(inWords(after(end, { ...plain, ...changes })), table[end][name as Case], name)
    }
    t.end()
  })
}

test('in all circumstances there are: no rule of retries is ever broken', t => {
  const ends = Object.keys(table) as AttemptEnd[]
  const flags = [false, true]
  let checked = 0
  for (const end of ends)
    for (const reused of flags)
      for (const sent of flags)
        for (const idempotent of flags)
          for (const held of flags)
            for (const answered of flags)
              for (const refreshed of flags)
                for (const inTime of flags)
                  for (const triesLeft of [0, 1])
                    for (const retries of [0, 1]) {
                      const now = { reused, sent, idempotent, held, answered, refreshed, triesLeft, inTime, retries }
                      const next = after(end, now)
                      const again = next.kind === 'again'
                      const case_ = `${end} ${JSON.stringify(now)}`
                      if (again && answered) t.fail(`sent again after an answer had begun: ${case_}`)
                      if (again && !held) t.fail(`sent again without its body: ${case_}`)
                      const reached = sent && !end.startsWith('connect') && end !== 'not_dialled'
                      if (again && reached && !idempotent) t.fail(`not idempotent and sent twice: ${case_}`)
                      if (again && next.where === 'same' && (refreshed || !reused)) t.fail(`same again: ${case_}`)
                      if (again && next.where === 'other' && triesLeft === 0) t.fail(`no tries left: ${case_}`)
                      if (end === 'client_left' && next.blame) t.fail(`the client left, and not the upstream: ${case_}`)
                      checked++
                    }
  t.equal(checked, ends.length * 2 ** 9)
  t.end()
})

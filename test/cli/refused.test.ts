import { test } from 'tap'
import { placed, refused } from '../../src/cli/refused.ts'

const problem = { type: 'urn:x', title: 'The pool is in use', status: 409, retry: false, request_id: 'r' }

test('a refusal says what is in the way', t => {
  t.strictSame(
    refused(409, {
      ...problem,
      code: 'pool_in_use',
      detail: 'routes go to main',
      routes: ['a', 'b'],
      pools: [],
      fallback_of: [{ name: 'c' }],
    }),
    {
      kind: 'failure',
      exit: 1,
      message: 'The pool is in use: routes go to main\n  routes: a, b\n  fallback_of: c',
      problems: [],
    },
  )
  t.end()
})

test('every mistake of a wrong shape is told at its place', t => {
  const problems = [
    { at: 'body.members[0].weight', message: 'expected a number' },
    { at: 'query.limit', message: 'expected a whole number' },
    { at: 'body', message: 'expected an object' },
  ]
  const { message } = refused(400, {
    ...problem,
    title: 'The request is malformed',
    code: 'bad_request',
    detail: 'body.members[0].weight: expected a number',
    problems,
  })
  t.equal(
    message,
    'The request is malformed\n  members[0].weight: expected a number\n  limit: expected a whole number\n  expected an object',
  )
  t.end()
})

test('each status has its exit status', t => {
  const exits = [400, 401, 403, 404, 409, 412, 422, 500, 501, 503].map(status => refused(status, problem).exit)
  t.strictSame(exits, [1, 4, 4, 3, 1, 1, 1, 1, 1, 1])
  t.end()
})

test('who was too late, and what broke inside, get advice', t => {
  t.match(
    refused(412, { ...problem, code: 'precondition_failed', detail: 'it changed' }).message,
    /somebody else was faster/,
  )
  t.match(refused(500, { ...problem, code: 'internal', detail: 'it broke' }).message, /request_id: r/)
  t.equal(refused(502, {}).message, 'HTTP status 502')
  t.notMatch(refused(409, { ...problem, detail: 'a\u001b[2Jb' }).message, '\u001b')
  t.end()
})

test('mistakes of a file that was sent are told at their lines', t => {
  const problems = [{ at: 'body.pools[1].members[0]', message: 'there is no gateway "x"' }]
  const refusal = refused(422, { ...problem, title: 'It refers to something unknown', detail: 'x', problems })
  const asked: unknown[] = []
  const place = (path: unknown) => {
    asked.push(path)
    return { line: 7, column: 3 }
  }
  t.equal(
    placed(refusal, 'a.yaml', place).message,
    'It refers to something unknown\n  a.yaml:7:3: pools[1].members[0]: there is no gateway "x"',
  )
  t.strictSame(asked, [['pools', 1, 'members', 0]])
  const other = refused(409, { ...problem, detail: 'x' })
  t.equal(placed(other, 'a.yaml', place), other)
  t.end()
})

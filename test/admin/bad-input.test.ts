import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { json } from 'node:stream/consumers'
import { test } from 'tap'
import type { Endpoint } from '../../src/admin/contract/endpoint.ts'
import { endpoints } from '../../src/admin/contract/endpoints.ts'
import { type TestAdmin, TOKEN, testAdmin } from '../support/admin.ts'
import { exampleOf, type Operation, operationsOf, pathOf, undocumented } from '../support/documented.ts'

/** Of no type that any field has. */
const STRANGE = [[{ 'no such': [] }]]
/** Of what the sample defines. */
const NAMES = ['home', 'nas', 'spare', 'main', 'all', 'pinned', 'app']
const USUAL_MOST = 64 * 1024

type Bad = readonly [what: string, body: string, status: number | 'any']

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** `value` with each of its parts, one at a time, as `change` makes it; those that stay the same are left out. */
function* variants(value: unknown, change: (part: unknown, key: string) => unknown, key = ''): Generator<unknown> {
  const changed = change(value, key)
  if (changed !== value) yield changed
  if (Array.isArray(value)) {
    for (const [at, part] of value.entries()) for (const next of variants(part, change, key)) yield value.with(at, next)
  } else if (isObject(value)) {
    for (const [name, part] of Object.entries(value))
      for (const next of variants(part, change, name)) yield { ...value, [name]: next }
  }
}

function badBodies(example: unknown): Bad[] {
  const text = JSON.stringify(example)
  const wrong = [...variants(example, () => STRANGE)].map((body): Bad => ['a wrong type', JSON.stringify(body), 400])
  const unknown = isObject(example)
    ? [['an unknown field', JSON.stringify({ ...example, no_such_field: 1 }), 400] as const]
    : []
  const strange = [
    ...variants(example, part => (typeof part === 'string' && NAMES.includes(part) ? 'no-such-thing' : part)),
  ]
  const long = [...variants(example, part => (typeof part === 'string' ? 'x'.repeat(5_000) : part))]
  return [
    ...wrong,
    ...unknown,
    ...[null, true, 5, [[]]].map((body): Bad => ['another type', JSON.stringify(body), 400]),
    ['another type', '"text"', 'any'],
    ['broken JSON', text.slice(0, -1), 400],
    ['two values', `${text}${text}`, 400],
    ['nothing', '', 400],
    ['a prototype', `{"__proto__":{"role":"admin"},${text.slice(1)}`, 400],
    ['depth', `${'['.repeat(20_000)}${']'.repeat(20_000)}`, 400],
    ['a NUL and half a surrogate', '{"name":"\\u0000\\ud800"}', 400],
    ...strange.map((body): Bad => ['an unknown reference', JSON.stringify(body), 'any']),
    ...long.map((body): Bad => ['a long text', JSON.stringify(body), 'any']),
  ]
}

/** What bad input must not change. */
const documents = ({ state }: TestAdmin) => {
  const { definitions, holds, access } = state.snapshot.world
  return JSON.stringify([definitions, holds, access])
}

const rowOf = ({ id }: Operation) => (endpoints as Readonly<Record<string, Endpoint>>)[id]

test('no bad body changes anything: each is refused as it is documented, without a stack trace', async t => {
  await using it = await testAdmin()
  for (const operation of await operationsOf(it)) {
    if (operation.body === undefined) continue
    const { id, method } = operation
    const codes = new Set<string>()
    for (const [what, body, status] of badBodies(exampleOf(operation))) {
      const before = documents(it)
      const headers = { 'content-type': 'application/json' }
      const response = await it.ask(pathOf(operation), { method, headers, body })
      const said = `${id}: ${what}: ${body.slice(0, 100)}`
      const { code } = (await response.clone().json()) as { code?: string }
      codes.add(code ?? '')
      t.equal(await undocumented(operation, response), null, said)
      if (status === 'any' && response.ok) continue
      if (status !== 'any') t.equal(response.status, status, said)
      t.ok(documents(it) === before, `${said}: nothing has changed`)
    }
    const refers = JSON.stringify(exampleOf(operation)).includes('"home"')
    if (refers && rowOf(operation)?.refuses?.includes('unknown_reference'))
      t.ok(
        codes.has('unknown_reference') || codes.has('not_found'),
        `${id} refuses an unknown reference: ${[...codes]}`,
      )
    t.notMatch(it.logged(), 'a request to the admin API failed', `${id}: no mistake of ours`)
  }
})

test('a body that is too long is refused before it is read', async t => {
  await using it = await testAdmin()
  for (const operation of await operationsOf(it)) {
    if (operation.body === undefined) continue
    const most = rowOf(operation)?.most_body ?? USUAL_MOST
    const headers = {
      authorization: `Bearer ${TOKEN}`,
      'content-type': 'application/json',
      'content-length': most + 1,
    }
    const asking = request(it.url + pathOf(operation), { method: operation.method, headers })
    asking.on('error', () => {})
    asking.flushHeaders()
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    t.equal(response.statusCode, 413, operation.id)
    t.match(await json(response), { code: 'body_too_large' })
    asking.destroy()
  }
})

test('no path that names nothing changes anything', async t => {
  await using it = await testAdmin()
  const before = documents(it)
  const names = [
    'no-such-thing',
    'x'.repeat(90),
    'x'.repeat(2_000),
    '__proto__',
    'constructor',
    '%00',
    '%2e%2e',
    'A_B',
    '%ff',
    '0',
  ]
  for (const operation of await operationsOf(it)) {
    const parameters = operation.parameters.filter(one => one.in === 'path')
    for (const { name } of parameters) {
      for (const strange of names) {
        const example = exampleOf(operation)
        const body = example === undefined ? {} : { body: JSON.stringify(example) }
        const headers: Record<string, string> = example === undefined ? {} : { 'content-type': 'application/json' }
        const path = pathOf(operation, { [name]: strange })
        const response = await it.ask(path, { method: operation.method, headers, ...body })
        const said = `${operation.id}: ${name} is ${strange.slice(0, 40)}`
        t.ok([400, 404, 405, 422].includes(response.status), `${said}: ${response.status}`)
        if (response.status !== 405) t.equal(await undocumented(operation, response), null, said)
        t.ok(documents(it) === before, `${said}: nothing has changed`)
      }
    }
  }
  t.notMatch(it.logged(), 'a request to the admin API failed', 'no mistake of ours')
})

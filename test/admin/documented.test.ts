import { test } from 'tap'
import { type TestAdmin, testAdmin } from '../support/admin.ts'
import { exampleOf, type Operation, operationsOf, pathOf, undocumented } from '../support/documented.ts'

/** Everything here is made from /openapi.json: what it does not say, a client cannot know either. */

const isGood = ({ status }: Response) => status < 300
const asJson = { 'content-type': 'application/json' }

async function ready(): Promise<TestAdmin> {
  const it = await testAdmin()
  await it.beat('home')
  await it.beat('nas')
  return it
}

/** Makes the call of the document's example; a stream is broken off once it has begun. */
async function call(it: TestAdmin, operation: Operation, init: RequestInit = {}): Promise<Response> {
  const example = exampleOf(operation)
  const body = example === undefined ? {} : { headers: asJson, body: JSON.stringify(example) }
  const abort = new AbortController()
  const response = await it.ask(pathOf(operation), { method: operation.method, signal: abort.signal, ...body, ...init })
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return response
  abort.abort()
  return new Response('', response)
}

/** What has to be there first: what is deleted is made first, by the same or the shorter path. */
async function prepare(it: TestAdmin, operation: Operation, all: readonly Operation[]): Promise<void> {
  const making = (path: string) => all.find(one => one.method === 'POST' && one.path === path)
  const same = operation.method === 'DELETE' ? making(operation.path) : undefined
  const shorter = making(operation.path.replace(/\/\{\w+\}$/, ''))
  for (const maker of same ? [same] : shorter && shorter !== operation ? [shorter] : []) {
    const { name } = (exampleOf(maker) ?? {}) as { name?: string }
    if (maker === same || pathOf(operation).endsWith(`/${name}`)) await call(it, maker)
  }
}

test('every call that is built from the OpenAPI document gets a good answer that it documents', async t => {
  await using reader = await ready()
  const all = await operationsOf(reader)
  t.ok(all.length > 10)
  for (const operation of all) {
    // It would speak to somebody outside; there is no other store here.
    if (operation.id === 'test_webhook' || operation.id === 'adopt_store') continue
    // What changes nothing needs no world of its own.
    await using own = operation.method === 'GET' ? null : await ready()
    const it = own ?? reader
    await prepare(it, operation, all)
    const response = await call(it, operation)
    t.ok(isGood(response), `${operation.id} does what its example asks for: ${response.status}`)
    t.equal(await undocumented(operation, response), null, operation.id)
  }
})

test('a bad call gets the answer that the document says', async t => {
  await using it = await ready()
  for (const operation of await operationsOf(it)) {
    const { id, needsToken, parameters, body, method } = operation
    const bad = async (what: string, expected: readonly number[], init: RequestInit, path = pathOf(operation)) => {
      const response = await it.ask(path, { method, ...init })
      t.ok(expected.includes(response.status), `${id}: ${what} is ${response.status}`)
      t.equal(await undocumented(operation, response), null, `${id}: ${what}`)
    }
    if (needsToken) await bad('no token', [401], { headers: { authorization: '' } })
    if (parameters.some(one => one.in === 'path')) {
      const names = Object.fromEntries(
        parameters.map(({ name }) => [name, name === 'revision' ? '99999' : 'no-such-thing']),
      )
      const given = body && { headers: asJson, body: JSON.stringify(exampleOf(operation)) }
      await bad('nothing by that name', [404, 422], { ...given }, pathOf(operation, names))
    }
    if (parameters.some(one => one.in === 'query')) {
      await bad('an unknown part of the query', [400], {}, `${pathOf(operation)}?no_such_part=1`)
    }
    if (body === undefined) continue
    await bad('no body', [400, 415], {})
    await bad('another type', [400], { headers: asJson, body: 'true' })
    await bad('an unknown field', [400], { headers: asJson, body: '{"no_such_field":1}' })
    await bad('another media type', [415], { headers: { 'content-type': 'text/plain' }, body: 'text' })
  }
})

test('with an entity tag that is not its own nothing changes', async t => {
  await using it = await ready()
  for (const operation of await operationsOf(it)) {
    if (!operation.parameters.some(({ name }) => name === 'If-Match')) continue
    const before = JSON.stringify(it.state.snapshot.world.definitions)
    const headers = operation.body ? { ...asJson, 'if-match': '"0"' } : { 'if-match': '"0"' }
    const response = await call(it, operation, { headers })
    t.equal(response.status, 412, operation.id)
    t.equal(await undocumented(operation, response), null, operation.id)
    t.equal(JSON.stringify(it.state.snapshot.world.definitions), before)
  }
})

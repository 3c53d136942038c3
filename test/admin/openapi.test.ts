import { test } from 'tap'
import type { Endpoint } from '../../src/admin/contract/endpoint.ts'
import { endpoints } from '../../src/admin/contract/endpoints.ts'
import { openapi } from '../../src/admin/openapi.ts'
import { errors } from '../../src/errors.ts'
import { testAdmin } from '../support/admin.ts'

interface Operation {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly security?: readonly object[]
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: object }[]
  readonly requestBody?: { readonly content: Record<string, { readonly examples?: object }> }
  readonly responses: Record<
    string,
    { readonly headers?: object; readonly content?: Record<string, { examples?: object }> }
  >
}

interface Document {
  readonly openapi: string
  readonly info: { readonly version: string }
  readonly servers: readonly object[]
  readonly tags: readonly { readonly name: string }[]
  readonly paths: Record<string, Record<string, Operation>>
}

const document = JSON.parse(JSON.stringify(openapi('1.2.3'))) as Document
const rows = Object.entries(endpoints) as [string, Endpoint][]
const operation = ({ path, method }: Endpoint) =>
  document.paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()] as Operation

test('the OpenAPI document describes every endpoint, and nothing else', async t => {
  await using it = await testAdmin()
  const response = await it.ask('/api/v1/openapi.json')
  t.match(response.headers.get('content-type'), 'application/json')
  t.strictSame(await response.json(), document)
  t.strictSame(await (await it.ask('/openapi.json')).json(), document)
  t.match(document, { openapi: /^3\.1\./, info: { version: '1.2.3' }, servers: [{ url: '/' }] })
  const described = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { operationId }]) => `${operationId}: ${method.toUpperCase()} ${path}`),
  )
  const expected = rows.map(([id, { method, path }]) => `${id}: ${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
  t.strictSame(described.toSorted(), expected.toSorted())
  t.notMatch(JSON.stringify(document), '"$schema"')
})

test('parameters: each of the path with its form, the query, and preconditions', t => {
  const why = operation(endpoints.why)
  t.match(why.parameters, [
    { name: 'name', in: 'path', required: true, schema: { type: 'string', pattern: /\^/ }, example: 'main' },
    { name: 'gateway', in: 'path', required: true, example: 'home' },
  ])
  t.match(operation(endpoints.list_pools).parameters, [
    { name: 'limit', in: 'query', required: false },
    { name: 'after', in: 'query', required: false },
  ])
  for (const [id, row] of rows) {
    const names = [...row.path.matchAll(/:(\w+)/g)].map(([, name]) => name)
    const { parameters, tags } = operation(row)
    t.strictSame(
      parameters.filter(one => one.in === 'path').map(({ name }) => name),
      names,
      id,
    )
    t.equal(
      parameters.some(({ name }) => name === 'If-Match'),
      row.refuses?.includes('precondition_failed') === true,
    )
    t.ok(document.tags.some(({ name }) => name === tags[0]))
  }
  t.end()
})

test('answers: their status, their headers, and every documented error with an example under its status', t => {
  t.strictSame(operation(endpoints.live).security, [])
  t.equal(operation(endpoints.status).security, undefined, 'a token, as the whole document says')
  t.match(operation(endpoints.ready).responses, { 503: { content: { 'application/json': {} } } })
  const pool = JSON.stringify(operation(endpoints.get_pool).responses['200'])
  t.match(pool, '"failback_cooldown"', 'definitions are described as they are written')
  for (const [id, row] of rows) {
    const { responses } = operation(row)
    const status = row.creates ? '201' : row.answer === undefined && row.raw === undefined ? '204' : '200'
    t.ok(responses[status], `${id} answers ${status}`)
    if (row.creates) t.match(responses[status]?.headers, { Location: {} }, id)
    if (row.role !== 'anyone') t.match(responses, { 401: { headers: { 'WWW-Authenticate': {} } }, 403: {} }, id)
    if (row.body !== undefined) t.match(responses, { 400: {}, 413: {}, 415: {} }, id)
    for (const code of row.refuses ?? []) {
      const examples = responses[errors[code].status]?.content?.['application/problem+json']?.examples
      t.match(examples, { [code]: { value: { code, status: errors[code].status } } }, `${id}: ${code}`)
      if (errors[code].status === 503) t.match(responses[503]?.headers, { 'Retry-After': {} })
    }
  }
  t.end()
})

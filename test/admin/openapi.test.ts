import { test } from 'tap'
import { endpoints } from '../../src/admin/contract/endpoints.ts'
import { testAdmin } from '../support/admin.ts'

interface Operation {
  readonly operationId: string
  readonly security: readonly object[]
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly responses: Record<string, { readonly content: Record<string, { readonly schema: object }> }>
}

test('the OpenAPI document describes every endpoint, and nothing else', async t => {
  await using it = await testAdmin()
  const response = await it.ask('/api/v1/openapi.json')
  t.match(response.headers.get('content-type'), 'application/json')
  const document = (await response.json()) as {
    openapi: string
    info: { version: string }
    paths: Record<string, Record<string, Operation>>
  }
  t.strictSame(document, await (await it.ask('/openapi.json')).json())
  t.match(document.openapi, /^3\.1\./)
  t.equal(document.info.version, '1.2.3')
  const described = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { operationId }]) => `${operationId}: ${method.toUpperCase()} ${path}`),
  )
  const expected = Object.entries(endpoints).map(
    ([id, { method, path }]) => `${id}: ${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`,
  )
  t.strictSame(described.toSorted(), expected.toSorted())

  const why = document.paths['/api/v1/gateway-pools/{name}/members/{gateway}/why']?.get
  t.match(why?.parameters, [
    { name: 'name', in: 'path' },
    { name: 'gateway', in: 'path' },
  ])
  t.match(why?.responses.default?.content, { 'application/problem+json': {} })
  t.strictSame(document.paths['/livez']?.get?.security, [])
  const pool = JSON.stringify(document.paths['/api/v1/gateway-pools/{name}']?.get?.responses['200'])
  t.match(pool, '"failback_cooldown"', 'definitions are described as they are written')
  t.notMatch(JSON.stringify(document), '"$schema"')
})

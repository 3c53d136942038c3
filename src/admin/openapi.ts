/**
 * The OpenAPI 3.1 document, from the same table and the same schemas that the server runs on: whoever has it needs nothing else to make
 * every call and to understand every answer.
 */
import { z } from 'zod'
import { name } from '../config/definitions.ts'
import { type ErrorCode, errors, refuse } from '../errors.ts'
import type { Endpoint } from './contract/endpoint.ts'
import { type EndpointId, endpoints } from './contract/endpoints.ts'
import { problem } from './contract/shapes.ts'
import { PROBLEM_JSON, problemOf } from './problem.ts'

/** The document of version `version`. */
export function openapi(version: string): object {
  const rows = Object.entries(endpoints) as [EndpointId, Endpoint][]
  const paths: Record<string, Record<string, object>> = {}
  for (const [id, endpoint] of rows) {
    const path = endpoint.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [endpoint.method.toLowerCase()]: operation(id, endpoint) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'gatepool admin API',
      version,
      description:
        'Definitions are as in the configuration file (`15m`, `64KiB`); moments are ms since 1970. Every error is a problem document (RFC 9457) with a stable `code`.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'Where this document comes from' }],
    security: [{ token: [] }],
    tags: [...new Set(rows.map(([, { path }]) => tagOf(path)))].map(tag => ({ name: tag })),
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'A token of gatepool' } },
      schemas: { Problem: given(problem) },
    },
  }
}

function operation(id: EndpointId, endpoint: Endpoint): object {
  const { path, role, summary, body, example } = endpoint
  return {
    operationId: id,
    tags: [tagOf(path)],
    summary,
    description: role === 'anyone' ? 'Needs no token.' : `Needs the role ${role}.`,
    ...(role === 'anyone' ? { security: [] } : {}),
    parameters: [...pathParameters(endpoint), ...queryParameters(endpoint), ...preconditions(endpoint)],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: {
              'application/json': {
                schema: taken(body),
                ...(example === undefined ? {} : { examples: { sample: { value: example } } }),
              },
            },
          },
        }),
    responses: { ...success(endpoint), ...refusals(endpoint) },
  }
}

/** What a path is about: its first part behind the version. */
function tagOf(path: string): string {
  return /^\/api\/v1\/([^/]+)/.exec(path)?.[1] ?? 'service'
}

const PARAMETERS: Readonly<Record<string, object>> = {
  name: taken(name),
  gateway: taken(name),
  revision: { type: 'string', pattern: '^[0-9]{1,15}$' },
}
const ANY_NAME = { type: 'string', maxLength: 128 }

/** What the parts of a path may be called, by the part before them. */
const NAMES: Readonly<Record<string, string>> = {
  gateways: 'home',
  'gateway-pools': 'main',
  members: 'home',
  routes: 'app',
  history: '1',
  tokens: 'dashboard',
  instances: 'home-1',
  webhooks: 'chat',
  windows: 'updates',
}

function pathParameters({ path, sample }: Endpoint): object[] {
  return [...path.matchAll(/([^/]+)\/:(\w+)/g)].map(([, before = '', parameter = '']) => ({
    name: parameter,
    in: 'path',
    required: true,
    schema: PARAMETERS[parameter] ?? ANY_NAME,
    example: sample?.[parameter] ?? NAMES[before] ?? 'main',
  }))
}

function queryParameters({ query }: Endpoint): object[] {
  if (query === undefined) return []
  const { properties = {}, required = [] } = taken(query) as z.core.JSONSchema.ObjectSchema
  return Object.entries(properties).map(([key, schema]) => ({
    name: key,
    in: 'query',
    required: required.includes(key),
    schema,
  }))
}

const IF_MATCH = {
  name: 'If-Match',
  in: 'header',
  required: false,
  description: 'Only if this is still its entity tag, else 412; without it the change is made to what is there then',
  schema: { type: 'string' },
}
const IF_NONE_MATCH = {
  name: 'If-None-Match',
  in: 'header',
  required: false,
  description: 'Not again if this is still its entity tag: 304',
  schema: { type: 'string' },
}

/** Does it change something that has an entity tag? */
function isConditional({ refuses }: Endpoint): boolean {
  return refuses?.includes('precondition_failed') === true
}

/** Does its answer carry an entity tag? What can be changed on a condition is read with it, too. */
function isTagged({ path, method, creates, answer, ...endpoint }: Endpoint): boolean {
  if (answer === undefined) return false
  if (method !== 'GET') return isConditional({ path, method, ...endpoint }) || creates === true
  return (Object.values(endpoints) as Endpoint[]).some(
    other => other.path === path && other.method !== 'POST' && isConditional(other),
  )
}

function preconditions(endpoint: Endpoint): object[] {
  if (isConditional(endpoint)) return [IF_MATCH]
  return endpoint.method === 'GET' && isTagged(endpoint) ? [IF_NONE_MATCH] : []
}

const ETAG = { ETag: { description: 'Its entity tag, for If-Match', schema: { type: 'string' } } }
const LOCATION = { Location: { description: 'Where it is', schema: { type: 'string' }, required: true } }

/** What is written by hand, as far as it can be said. */
const RAW: Readonly<Record<string, object>> = { 'application/json': { type: 'object' } }
const TEXT = { type: 'string' }

function success(endpoint: Endpoint): Record<string, object> {
  const { answer, raw, creates, also = {} } = endpoint
  if (answer === undefined && raw === undefined) return { 204: { description: 'Done' } }
  const tagged = isTagged(endpoint)
  const media = raw ?? 'application/json'
  const headers = { ...(creates ? LOCATION : {}), ...(tagged ? ETAG : {}) }
  const content = {
    [media]: { schema: answer === undefined ? (RAW[media] ?? TEXT) : given(answer) },
  }
  const done = {
    description: creates ? 'Made; Location says where it is' : 'Done',
    ...(Object.keys(headers).length > 0 ? { headers } : {}),
    content,
  }
  const others = Object.entries(also).map(([status, description]) => [status, { description, content }] as const)
  return {
    [creates ? 201 : 200]: done,
    ...(tagged && endpoint.method === 'GET' ? { 304: { description: 'It is what the client has' } } : {}),
    ...Object.fromEntries(others),
  }
}

/** What every endpoint of its kind may be refused with. */
function general({ role, path, body }: Endpoint): readonly ErrorCode[] {
  return [
    'bad_request',
    ...(role === 'anyone' ? [] : (['unauthorized', 'forbidden', 'too_many_requests'] as const)),
    ...(path.includes(':') ? (['not_found'] as const) : []),
    ...(body === undefined ? [] : (['body_too_large', 'unsupported_media_type'] as const)),
    'request_timeout',
    'head_too_large',
    'internal',
  ]
}

const RETRY_AFTER = { 'Retry-After': { description: 'Seconds', schema: { type: 'integer', minimum: 1 } } }
const CHALLENGE = { 'WWW-Authenticate': { description: 'Which kind of token', schema: { type: 'string' } } }

/** One answer for each status, with an example for each code. */
function refusals(endpoint: Endpoint): Record<string, object> {
  const codes = [...new Set([...general(endpoint), ...(endpoint.refuses ?? [])])]
  const byStatus = Map.groupBy(codes, code => errors[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, these]) => [
      status,
      {
        description: these.map(code => `\`${code}\`: ${errors[code].title}`).join('; '),
        ...(status === 503 || status === 429 ? { headers: RETRY_AFTER } : status === 401 ? { headers: CHALLENGE } : {}),
        content: {
          [PROBLEM_JSON]: {
            schema: { $ref: '#/components/schemas/Problem' },
            examples: Object.fromEntries(these.map(code => [code, { value: exampleOf(code) }])),
          },
        },
      },
    ]),
  )
}

function exampleOf(code: ErrorCode): object {
  return problemOf(refuse(code, errors[code].title), '00000000-0000-4000-8000-000000000000')
}

/** A schema as a client has to fill it in. */
function taken(schema: z.ZodType): object {
  return plain(z.toJSONSchema(schema, { io: 'input' }))
}

/**
 * A schema as a client gets it: in its written form (`15m`), and with the fields that have a default always there, for a
 * default is filled in before it is answered.
 */
function given(schema: z.ZodType): object {
  return plain(
    z.toJSONSchema(schema, {
      io: 'input',
      override: ({ zodSchema, jsonSchema }) => {
        const { def } = zodSchema._zod
        if (def.type !== 'object') return
        const { shape } = def as z.core.$ZodObjectDef
        const required = Object.keys(shape).filter(key => shape[key]?._zod.optout === undefined)
        if (required.length > 0) jsonSchema.required = required
      },
    }),
  )
}

function plain({ $schema: _, ...schema }: z.core.JSONSchema.BaseSchema): object {
  return schema
}

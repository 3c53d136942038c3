/**
 * The OpenAPI 3.1 document, from the same table and the same schemas that the server runs on.
 */
import type { SwaggerTransform } from '@fastify/swagger'
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Endpoint } from './contract/endpoint.ts'
import { type EndpointId, endpoints } from './contract/endpoints.ts'
import { problem } from './contract/shapes.ts'
import { PROBLEM_JSON } from './problem.ts'

/** Must be registered before the routes it describes. */
export async function describe(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'gatepool admin API', version },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
    transform,
  })
}

const transform: SwaggerTransform = ({ url, route }) => {
  const id = route.config?.endpoint
  const isMain = id !== undefined && route.method === endpoints[id].method
  return { url, schema: isMain ? operation(id, endpoints[id]) : { hide: true } }
}

function operation(id: EndpointId, { path, role, summary, query, body, answer, creates, raw }: Endpoint) {
  const parameters = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => [name, { type: 'string' }] as const)
  const media = raw ?? 'application/json'
  return {
    operationId: id,
    summary,
    description: role === 'anyone' ? 'Needs no token.' : `Needs the role ${role}.`,
    security: role === 'anyone' ? [] : [{ token: [] }],
    ...(parameters.length === 0
      ? {}
      : {
          params: {
            type: 'object',
            required: parameters.map(([name]) => name),
            properties: Object.fromEntries(parameters),
          },
        }),
    ...(query === undefined ? {} : { querystring: taken(query) }),
    ...(body === undefined ? {} : { body: taken(body) }),
    response: {
      ...(answer === undefined && raw === undefined
        ? { 204: { description: 'Done', type: 'null' } }
        : {
            [creates ? 201 : 200]: {
              description: creates ? 'Made; Location says where it is' : 'Done',
              content: { [media]: { schema: answer === undefined ? { type: 'string' } : given(answer) } },
            },
          }),
      default: { description: 'Refused, or failed', content: { [PROBLEM_JSON]: { schema: given(problem) } } },
    },
  }
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

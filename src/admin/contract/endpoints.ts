/**
 * The admin API: every path, who may ask for it, what it takes and what it answers, by what it is about. The server, the OpenAPI document
 * and the clients' types are made from this table; the server does not compile while a row has no handler.
 */
import type { z } from 'zod'
import { accessEndpoints } from './access.ts'
import { auditEndpoints } from './audit.ts'
import { definitionEndpoints } from './definitions.ts'
import { eventEndpoints } from './events.ts'
import { failoverEndpoints } from './failover.ts'
import { gatewayEndpoints } from './gateways.ts'
import { holdEndpoints } from './holds.ts'
import { instanceEndpoints } from './instances.ts'
import { migrationEndpoints } from './migration.ts'
import { operationEndpoints } from './operations.ts'
import { poolEndpoints } from './pools.ts'
import { routeEndpoints } from './routes.ts'
import { serviceEndpoints } from './service.ts'
import { validationEndpoints } from './validation.ts'
import { webhookEndpoints } from './webhooks.ts'

export const endpoints = {
  ...serviceEndpoints,
  ...gatewayEndpoints,
  ...instanceEndpoints,
  ...holdEndpoints,
  ...poolEndpoints,
  ...failoverEndpoints,
  ...operationEndpoints,
  ...migrationEndpoints,
  ...validationEndpoints,
  ...routeEndpoints,
  ...definitionEndpoints,
  ...eventEndpoints,
  ...accessEndpoints,
  ...auditEndpoints,
  ...webhookEndpoints,
}

export type Endpoints = typeof endpoints
export type EndpointId = keyof Endpoints

/** What goes over the wire, as a client reads it. */
export type Answer<Id extends EndpointId> = Endpoints[Id] extends { answer: infer A extends z.ZodType }
  ? z.input<A>
  : never

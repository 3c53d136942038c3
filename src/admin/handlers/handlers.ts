/** What each endpoint does, by what it is about. */
import { accessHandlers } from './access.ts'
import { auditHandlers } from './audit.ts'
import { definitionHandlers } from './definitions.ts'
import { eventHandlers } from './events.ts'
import { failoverHandlers } from './failover.ts'
import { gatewayHandlers } from './gateways.ts'
import type { HandlerOptions, Handlers } from './handler.ts'
import { holdHandlers } from './holds.ts'
import { instanceHandlers } from './instances.ts'
import { migrationHandlers } from './migration.ts'
import { operationHandlers } from './operations.ts'
import { poolHandlers } from './pools.ts'
import { routeHandlers } from './routes.ts'
import { serviceHandlers } from './service.ts'
import { validationHandlers } from './validation.ts'
import { webhookHandlers } from './webhooks.ts'

export function createHandlers(options: HandlerOptions): Handlers {
  return {
    ...serviceHandlers(options),
    ...gatewayHandlers(options),
    ...instanceHandlers(options),
    ...holdHandlers(options),
    ...poolHandlers(options),
    ...failoverHandlers(options),
    ...operationHandlers(options),
    ...migrationHandlers(options),
    ...validationHandlers(options),
    ...routeHandlers(options),
    ...definitionHandlers(options),
    ...eventHandlers(options),
    ...accessHandlers(options),
    ...auditHandlers(options),
    ...webhookHandlers(options),
  }
}

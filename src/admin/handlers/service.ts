import type { FastifyReply } from 'fastify'
import { ownsPool, ownsRoute } from '../../core/scope.ts'
import { isRefusal, refuse } from '../../errors.ts'
import { PAGE_TYPE } from '../../telemetry/metrics-listener.ts'
import type { serviceEndpoints } from '../contract/service.ts'
import { poolRow, routeRow } from '../views.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { byName } from './lists.ts'

export function serviceHandlers(options: HandlerOptions): HandlersOf<typeof serviceEndpoints> {
  const { state, store, ledger, cluster, replica } = options
  const { replicas } = options
  const definitions = () => state.snapshot.world.definitions.value

  const openapi = (_: unknown, reply: FastifyReply) => reply.type('application/json').send(options.document)

  const warnings = () => [
    ...(replicas?.away ? ['the store is away'] : []),
    ...(replicas?.warnings ?? []),
    ...(replicas?.differ ? ['replicas go by different definitions'] : []),
  ]

  return {
    live: () => ({ status: 'alive' }),
    ready(_, reply) {
      const reasons = options.ready()
      const status = reasons.length === 0 ? 'ready' : 'not_ready'
      return reply.code(reasons.length === 0 ? 200 : 503).send({ status, reasons, warnings: warnings() })
    },
    async metrics(_, reply) {
      return reply.type(PAGE_TYPE).send(await options.metrics())
    },
    openapi,
    openapi_at_root: openapi,

    async status({ by }) {
      const { snapshot } = state
      const pools = definitions().pools.filter(({ name }) => ownsPool(by.pools, name))
      const routes = definitions().routes.filter(route => ownsRoute(by.pools, definitions(), route))
      return {
        replica,
        cluster,
        version: options.version,
        started_at: options.startedAt,
        uptime: wholeSeconds(options.clock.now() - options.startedAt),
        now: store.now(),
        store: replicas ? storeOf(replicas) : HERE,
        definitions: {
          mode: options.definitionsMode,
          revision: snapshot.world.definitions.revision,
          differ: replicas?.differ ?? false,
        },
        replicas: byName(replicas?.replicas ?? []).map(({ failing, ...row }) => ({ ...row, failing: [...failing] })),
        listeners: [...options.listeners()],
        members: pools.flatMap(({ name: pool, members }) =>
          members
            .map(({ gateway }) => ({ pool, gateway, connections: options.inFlight(pool, gateway) }))
            .filter(({ connections }) => connections > 0),
        ),
        pools: byName(pools).map(pool => poolRow(snapshot, pool)),
        routes: byName(routes).map(route => routeRow(snapshot, route)),
      }
    },
    async adopt_store({ by, asked: { action, request_id } }) {
      if (replicas === undefined) return refuse('store_known', 'there is one store, in the process itself')
      const outcome = await replicas.adopt({ by: by.name, action, request_id })
      if (isRefusal(outcome)) return outcome
      const { before, after, orphaned } = outcome
      options.log.warn({ by: by.name, before, after }, 'another store was adopted by the API')
      return { before, after, orphaned }
    },
    async reload({ by, asked }) {
      const outcome = await options.reload()
      if (isRefusal(outcome)) return outcome
      const changed = [...outcome.changed]
      options.log.info({ by: by.name, changed }, 'reloaded by the API')
      // It is done and cannot be undone: a store that does not take the record is told of, and asking again does no harm.
      const audit = { subject: 'configuration', before: null, after: { changed } }
      const recorded = await ledger.commit(() => ({ documents: {}, facts: [], audit }), by.name, asked)
      return isRefusal(recorded) ? recorded : { changed }
    },
  }
}

/** The embedded store is in this very process. */
const HERE = { available: true, reason: null, code: null, warnings: [] }

const storeOf = ({ away, warnings }: NonNullable<HandlerOptions['replicas']>) => ({
  available: away === null,
  reason: away?.detail ?? null,
  code: away?.code ?? null,
  warnings: [...warnings],
})

const wholeSeconds = (ms: number): number => Math.max(0, Math.floor(ms / 1_000)) * 1_000

import type { FastifyReply } from 'fastify'
import { isRefusal } from '../../errors.ts'
import type { serviceEndpoints } from '../contract/service.ts'
import { poolRow, routeRow } from '../views.ts'
import type { HandlerOptions, HandlersOf } from './handlers.ts'
import { byName } from './lists.ts'

export function serviceHandlers(options: HandlerOptions): HandlersOf<typeof serviceEndpoints> {
  const { state, store, cluster, replica } = options
  const definitions = () => state.snapshot.world.definitions.value

  const openapi = (_: unknown, reply: FastifyReply) =>
    reply.type('application/json').send(JSON.stringify(options.openapi()))

  return {
    live: () => ({ status: 'alive' }),
    ready(_, reply) {
      const reasons = options.ready()
      const status = reasons.length === 0 ? 'ready' : 'not_ready'
      return reply.code(reasons.length === 0 ? 200 : 503).send({ status, reasons })
    },
    async metrics(_, reply) {
      return reply.type('text/plain; version=0.0.4; charset=utf-8').send(await options.metrics())
    },
    openapi,
    openapi_at_root: openapi,

    async status() {
      const { snapshot } = state
      return {
        replica,
        cluster,
        version: options.version,
        started_at: options.startedAt,
        uptime: wholeSeconds(options.now() - options.startedAt),
        now: store.now(),
        store: { available: await answers(store.read()) },
        definitions: { mode: options.definitionsMode, revision: snapshot.world.definitions.revision },
        listeners: [...options.listeners()],
        pools: byName(definitions().pools).map(pool => poolRow(snapshot, pool)),
        routes: byName(definitions().routes).map(route => routeRow(snapshot, route)),
      }
    },
    async reload({ by }) {
      const outcome = await options.reload()
      if (isRefusal(outcome)) return outcome
      options.log.info({ by: by.name, changed: outcome.changed }, 'reloaded by the API')
      return { changed: [...outcome.changed] }
    },
  }
}

const wholeSeconds = (ms: number): number => Math.max(0, Math.floor(ms / 1_000)) * 1_000

async function answers(asked: Promise<unknown>): Promise<boolean> {
  return asked.then(
    () => true,
    () => false,
  )
}

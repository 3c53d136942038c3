/**
 * What each endpoint does. A handler answers with the object, or with a refusal; HTTP is the server's business.
 */
import type { FastifyReply } from 'fastify'
import type { z } from 'zod'
import { replaceMembers } from '../core/changes.ts'
import { gatewayOf } from '../core/member.ts'
import type { Announcement, Gateway, Snapshot } from '../core/nouns.ts'
import { own } from '../core/own.ts'
import { poolOf } from '../core/passive.ts'
import { isRefusal, type Refusal, refuse } from '../errors.ts'
import type { Principal } from './auth.ts'
import type { EndpointId, Endpoints } from './contract/endpoints.ts'
import type { heartbeat } from './contract/shapes.ts'
import type { AdminOptions } from './server.ts'
import { type EventStreams, told } from './stream.ts'
import { gatewayInFull, gatewayRow, membersOf, poolInFull, poolRow, routeRow } from './views.ts'
import { explain } from './why.ts'

type Params<Path extends string> = Path extends `${string}/:${infer Name}/${infer Rest}`
  ? { readonly [Key in Name | keyof Params<`/${Rest}`>]: string }
  : Path extends `${string}/:${infer Name}`
    ? { readonly [Key in Name]: string }
    : object

type Part<Id extends EndpointId, Key extends 'query' | 'body' | 'answer'> = Endpoints[Id] extends {
  readonly [K in Key]: infer Schema extends z.ZodType
}
  ? z.output<Schema>
  : undefined

export interface Call<Id extends EndpointId> {
  readonly params: Params<Endpoints[Id]['path']>
  readonly query: Part<Id, 'query'>
  readonly body: Part<Id, 'body'>
  readonly by: Principal
}

type Outcome<Id extends EndpointId> = Endpoints[Id] extends { readonly raw: string }
  ? FastifyReply | Refusal
  : Part<Id, 'answer'> | Refusal

export type Handlers = {
  readonly [Id in EndpointId]: (call: Call<Id>, reply: FastifyReply) => Outcome<Id> | Promise<Outcome<Id>>
}

export interface HandlerOptions extends AdminOptions {
  readonly streams: EventStreams
  readonly openapi: () => object
  /** Ms since 1970, of the replica. */
  readonly now: () => number
}

export function createHandlers(options: HandlerOptions): Handlers {
  const { state, store, ledger, streams, cluster, replica } = options
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

    list_gateways: ({ query }) => part(definitions().gateways, query, gateway => gatewayRow(state.snapshot, gateway)),
    get_gateway({ params: { name } }) {
      const gateway = gatewayOf(state.snapshot.world, name)
      return gateway === undefined ? nothing('gateway', name) : gatewayInFull(state.snapshot, gateway)
    },
    async beat({ params: { name }, body }) {
      const gateway = gatewayOf(state.snapshot.world, name)
      if (gateway === undefined) return nothing('gateway', name)
      const refusal = unheard(gateway, body)
      if (refusal !== null) return refusal
      const taken = await options.hear(name, body.instance, announcement(body))
      if (isRefusal(taken)) return taken
      const { revision } = state.snapshot.world.definitions
      return { interval: taken.interval, definitions_revision: revision, accepted: true }
    },

    list_pools: ({ query }) => part(definitions().pools, query, pool => poolRow(state.snapshot, pool)),
    get_pool({ params: { name } }) {
      const pool = poolOf(state.snapshot.world, name)
      return pool === undefined ? nothing('pool', name) : poolInFull(state.snapshot, pool)
    },
    list_members({ params: { name } }) {
      const pool = poolOf(state.snapshot.world, name)
      return pool === undefined ? nothing('pool', name) : { items: membersOf(state.snapshot, name), next: null }
    },
    async replace_members({ params: { name }, body, by }) {
      const outcome = await ledger.commit(replaceMembers(name, body), by.name)
      if (isRefusal(outcome)) return outcome
      const items = membersOf(state.snapshot, name)
      return { items, next: null, revision: outcome.revision, warnings: warnings(state.snapshot, name) }
    },
    why({ params: { name, gateway } }) {
      const pool = poolOf(state.snapshot.world, name)
      if (pool === undefined) return nothing('pool', name)
      const answer = explain(state.snapshot, pool, gateway, { now: store.now(), replica, cluster })
      return answer ?? refuse('not_found', `${short(gateway)} is not a member of ${name}`)
    },

    list_routes: ({ query }) => part(definitions().routes, query, route => routeRow(state.snapshot, route)),
    get_route({ params: { name } }) {
      const route = definitions().routes.find(one => one.name === name)
      return route === undefined ? nothing('route', name) : { ...routeRow(state.snapshot, route), definition: route }
    },

    async list_events({ query: { limit, after, ...filter } }) {
      // One more than asked for tells whether there is more; without `after` these are the newest, and nothing follows them.
      const most = after === undefined ? limit : limit + 1
      const facts = await store.events({ limit: most, ...given({ after, ...filter }) })
      const items = facts.slice(0, limit).map(told)
      return { items, next: facts.length > limit ? (items.at(-1)?.id ?? null) : null }
    },
    stream_events({ query }, reply) {
      if (streams.full) return refuse('too_many_requests', 'there are as many streams as there may be')
      const { request } = reply
      // A browser that comes back asks for the same address as before: where it was is in the field.
      const after = request.headers['last-event-id']?.toString() || query.after
      reply.hijack()
      streams
        .open(reply.raw, { after, last: query.limit ?? 0, kind: query.kind, subject: query.subject })
        .catch(error => options.log.error({ err: error, request_id: request.id }, 'a live stream broke'))
      return reply
    },
  }
}

/** What this version cannot act upon is refused: a beat that was taken and half ignored would be a lie. */
function unheard(gateway: Gateway, beat: z.output<typeof heartbeat>): Refusal | null {
  const { weight = 100, max_connections } = beat
  if (weight !== 100) return refuse('not_available', 'this version takes no weight from a beat')
  if (max_connections !== undefined) return refuse('not_available', 'this version takes no max_connections from a beat')
  const moves =
    (beat.address !== undefined && beat.address !== gateway.address) ||
    (beat.http_port !== undefined && beat.http_port !== gateway.http_port)
  return moves ? refuse('address_not_allowed', `the definition of ${gateway.name} says where it is`) : null
}

function announcement({ state, hostname, os, arch, version }: z.output<typeof heartbeat>): Announcement {
  return { state, ...given({ hostname, os, arch, version }) }
}

/** What is taken, but does not work at the moment. */
function warnings(snapshot: Snapshot, pool: string): string[] {
  const view = own(snapshot.pools, pool)
  if (view === undefined) return []
  const out = view.members
    .filter(({ ready }) => !ready)
    .map(({ gateway, state, cause }) => `${gateway} is not ready: ${state} (${cause})`)
  return view.serving.kind === 'nobody' ? [...out, `nobody can serve ${pool}`] : out
}

function nothing(kind: string, name: string): Refusal {
  return refuse('not_found', `there is no ${kind} ${short(name)}`)
}

/** A name somebody made up, as far as it is worth repeating. */
const short = (name: string): string => JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}…` : name)

const byName = <T extends { readonly name: string }>(items: readonly T[]): T[] =>
  items.toSorted((a, b) => (a.name < b.name ? -1 : 1))

/** A list by name, so that a cursor stays good when the item it names is gone. */
function part<T extends { readonly name: string }, Row>(
  all: readonly T[],
  { limit, after }: { limit: number; after?: string | undefined },
  row: (item: T) => Row,
): { items: Row[]; next: string | null } {
  const following = byName(all.filter(({ name }) => after === undefined || name > after))
  const items = following.slice(0, limit)
  return { items: items.map(row), next: following.length > limit ? (items.at(-1)?.name ?? null) : null }
}

/** `fields` without those that are undefined. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}

const wholeSeconds = (ms: number): number => Math.max(0, Math.floor(ms / 1_000)) * 1_000

async function answers(asked: Promise<unknown>): Promise<boolean> {
  return asked.then(
    () => true,
    () => false,
  )
}

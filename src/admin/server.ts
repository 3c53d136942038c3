/**
 * The admin listener: who may ask is settled before a body is read, what is asked is checked against its schema before a handler sees
 * it, and whatever goes wrong is a problem document.
 */
import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { serializerCompiler } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { realClock } from '../clock.ts'
import { check, type Finding } from '../config/findings.ts'
import type { OwnListeners } from '../config/references.ts'
import type { Config } from '../config/schema.ts'
import type { Announcement } from '../core/nouns.ts'
import type { Adopted, AuditDraft, Replica, Store } from '../core/store.ts'
import { isRefusal, type Refusal, refuse } from '../errors.ts'
import type { Ledger } from '../ledger.ts'
import type { State } from '../state.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Webhooks } from '../telemetry/webhooks.ts'
import { type Answered, entityTag, isAnswered, isKnown, readIfMatch } from './answers.ts'
import { authenticator, type Principal } from './auth.ts'
import type { Endpoint } from './contract/endpoint.ts'
import { type EndpointId, endpoints } from './contract/endpoints.ts'
import { guard } from './guard.ts'
import { createGuesses } from './guesses.ts'
import type { Handlers } from './handlers/handler.ts'
import { createHandlers } from './handlers/handlers.ts'
import { openapi } from './openapi.ts'
import { refusalOf, refuseUnreadable, sendProblem } from './problem.ts'
import type { Connects } from './reach.ts'
import { createEventStreams } from './stream.ts'
import { watchUses } from './uses.ts'
import { refuseFindings } from './written.ts'

export interface AdminOptions {
  readonly listen: Place
  /** Of the bootstrap administrator. */
  readonly token: string
  readonly cluster: string
  readonly replica: string
  readonly version: string
  /** Ms since 1970. */
  readonly startedAt: number
  readonly definitionsMode: 'file' | 'store'
  readonly state: State
  readonly ledger: Ledger
  readonly store: Store
  /** Takes a beat; `interval` is the ms until the next one is expected. */
  hear(gateway: string, instance: string, said: Announcement): Promise<{ readonly interval: number } | Refusal>
  listeners(): readonly ListenerView[]
  /** What this replica's file says at the moment of what definitions may refer to. */
  file(): OwnListeners & Pick<Config, 'listeners'>
  /** The replicas of the cluster, where there may be several. */
  readonly replicas?: ReplicasView
  /** Why no traffic should be sent here; empty: it may. */
  ready(): readonly string[]
  /** Reads the configuration again; `changed` names what is different now. */
  reload(): Promise<Refusal | { readonly changed: readonly string[] }>
  /** Does a TCP connection come about in time? */
  readonly connects: Connects
  /** Requests, tunnels and connections under way in a gateway, or one instance of it, as a member of `pool`; null: of any pool, or none. */
  inFlight(pool: string | null, gateway: string, instance?: string): number
  readonly webhooks: Pick<Webhooks, 'stateOf' | 'test'>
  /** The page for Prometheus. */
  metrics(): Promise<string>
  readonly log: Logger
}

export interface ReplicasView {
  readonly replicas: readonly Replica[]
  /** Why the store cannot be asked; null: it can. */
  readonly away: Refusal | null
  /** They go by different definitions. */
  readonly differ: boolean
  /** What of the store should be looked at, in words. */
  readonly warnings: readonly string[]
  /** Makes another store that is there the one that all replicas go by; see `SharedStore`. */
  adopt(asked: Pick<AuditDraft, 'by' | 'action' | 'request_id'>): Promise<Adopted | Refusal>
}

export interface ListenerView {
  readonly name: string
  readonly protocol: string
  readonly address: string
  readonly open: boolean
}

interface Place {
  readonly host: string
  readonly port: number
}

export interface Admin extends AsyncDisposable {
  /** Where it listens; the port is the one that the system picked if 0 was asked for. */
  readonly address: Place
  /** Takes heartbeats, and nothing else, at one more place, as long as this listens; rejects when it cannot. Answers where. */
  takeBeats(listen: Place): Promise<Place>
}

/** Bytes of a request body. */
const MOST_BODY = 64 * 1024
/** Connections at once; streams count. A thousand gateways that keep theirs may all have come here, since the other replicas are away. */
const MOST_CONNECTIONS = 2_048
/** Ms. */
const HEAD_TIMEOUT = 10_000
const REQUEST_TIMEOUT = 30_000
const IDLE_TIMEOUT = 60_000
const KEEP_ALIVE = 65_000
/** Ms that answers under way get at the end. */
const LAST_WORDS = 1_000

/** Starts to listen; rejects when it cannot (EADDRINUSE and the like). */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const clock = realClock()
  const streams = createEventStreams({ state: options.state, store: options.store, clock })
  const uses = watchUses({ store: options.store, clock })
  const world = () => options.state.snapshot.world
  const authenticate = authenticator({
    bootstrapToken: options.token,
    access: () => world().access.value,
    now: options.store.now,
  })
  const handlers = createHandlers({
    ...options,
    streams,
    uses,
    authenticate,
    clock,
    document: JSON.stringify(openapi(options.version)),
  })

  const definitions = () => world().definitions.value
  const guarding = { authenticate, guesses: createGuesses(clock.now), uses, definitions }
  const rooms = new AsyncDisposableStack()
  rooms.use(uses)
  const open = async (listen: Place, ids: readonly EndpointId[]): Promise<Place> => {
    const app = createApp()
    guard(app, guarding)
    answerErrors(app, options.log)
    await app.register(async scope => addEndpoints(scope, handlers, ids))
    rooms.defer(async () => {
      using _ = clock.after(LAST_WORDS, () => app.server.closeAllConnections())
      await app.close()
    })
    app.server.maxConnections = MOST_CONNECTIONS
    await app.listen({ host: listen.host, port: listen.port })
    // A listener on a port is what was asked for, so the address has a port.
    const { address, port } = app.server.address() as AddressInfo
    return { host: address, port }
  }
  const close = () => {
    // Before the rest, which would wait for them.
    streams[Symbol.dispose]()
    return rooms.disposeAsync()
  }
  try {
    return {
      address: await open(options.listen, Object.keys(endpoints) as EndpointId[]),
      takeBeats: listen => open(listen, OF_BEATS),
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** What the listener for heartbeats answers. */
const OF_BEATS: readonly EndpointId[] = ['beat', 'live']

function createApp(): FastifyInstance {
  const run = randomBytes(8).toString('hex')
  let requests = 0
  const app = Fastify({
    // Lines with paths and headers of requests are not written: they could hold what is nobody's business.
    logger: false,
    bodyLimit: MOST_BODY,
    requestTimeout: REQUEST_TIMEOUT,
    connectionTimeout: IDLE_TIMEOUT,
    keepAliveTimeout: KEEP_ALIVE,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // Names of instances are longer than what the router takes by itself.
    routerOptions: { maxParamLength: 200 },
    genReqId: () => `${run}-${++requests}`,
    http: { headersTimeout: HEAD_TIMEOUT, connectionsCheckingInterval: 2_000 },
    clientErrorHandler: refuseUnreadable,
    frameworkErrors: (error, _, reply) => {
      void sendProblem(reply, refusalOf(error) ?? refuse('bad_request', 'this is not a valid request'))
    },
  })
  app.removeContentTypeParser('text/plain')
  // RFC 7396 section 4: what a PATCH sends may say what it is.
  app.addContentTypeParser(
    'application/merge-patch+json',
    { parseAs: 'string' },
    app.getDefaultJsonParser('error', 'error'),
  )
  app.setSerializerCompiler(rememberingSerializer)
  app.setValidatorCompiler<z.ZodType>(({ schema }) => data => {
    const checked = check(schema, data)
    return checked.kind === 'value' ? { value: checked.value } : { error: new Misshapen(checked.findings) }
  })
  return app
}

/** What is frozen has the text that it had last time: that is for answers that are given again and again. */
const rememberingSerializer: typeof serializerCompiler = route => {
  const serialize = serializerCompiler(route)
  let last: { readonly answer: unknown; readonly text: string } | null = null
  return answer => {
    if (last !== null && last.answer === answer) return last.text
    const text = serialize(answer)
    if (Object.isFrozen(answer)) last = { answer, text }
    return text
  }
}

/** How a validator says no to fastify. */
class Misshapen extends Error {
  readonly findings: readonly Finding[]
  constructor(findings: readonly Finding[]) {
    super('the request does not have its shape')
    this.findings = findings
  }
}

function answerErrors(app: FastifyInstance, log: Logger): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    if (error instanceof Misshapen) {
      const part = error.validationContext === 'querystring' ? 'query' : 'body'
      return sendProblem(
        reply,
        refuseFindings(error.findings, path => [part, ...path]),
      )
    }
    const refusal = refusalOf(error)
    if (refusal !== null) return sendProblem(reply, refusal)
    const { endpoint } = request.routeOptions.config
    log.error({ err: error, request_id: request.id, endpoint }, 'a request to the admin API failed')
    return sendProblem(reply, refuse('internal', 'it is in the log under this request_id'))
  })
  app.setNotFoundHandler((_, reply) => sendProblem(reply, refuse('not_found', 'there is no such path')))
}

/** Those that get an answer on a path that is there. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

function addEndpoints(app: FastifyInstance, handlers: Handlers, ids: readonly EndpointId[]): void {
  const taken = new Map<string, string[]>()
  for (const id of ids) {
    const { method, path, query, body, most_body, answer, raw }: Endpoint = endpoints[id]
    const heads = method === 'GET' && raw === undefined
    taken.set(path, [...(taken.get(path) ?? []), method, ...(heads ? ['HEAD'] : [])])
    app.route({
      method,
      url: path,
      config: { endpoint: id },
      exposeHeadRoute: heads,
      ...(most_body === undefined ? {} : { bodyLimit: most_body }),
      schema: {
        ...(query === undefined ? {} : { querystring: query }),
        ...(body === undefined ? {} : { body }),
        ...(answer === undefined || raw !== undefined ? {} : { response: { '2xx': answer } }),
      },
      handler: run(handlers, id),
    })
  }
  for (const url of taken.keys()) {
    // A fixed path stands in the way of a name of the same text only where it takes the method itself.
    const matching = [...taken].filter(([path]) => new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`).test(url))
    const methods = [...new Set(matching.flatMap(([, those]) => those))]
    const refusal = refuse('method_not_allowed', `use ${methods.join(', ')}`)
    const no = async (_: FastifyRequest, reply: FastifyReply) =>
      sendProblem(reply.header('allow', methods.join(', ')), refusal)
    // Said before a body is read, so that nothing wrong with the body comes first.
    app.route({ method: METHODS.filter(method => !methods.includes(method)), url, onRequest: no, handler: no })
  }
}

/** By whom something is asked that needs no token. */
const ANYONE: Principal = { name: 'anyone', role: 'viewer' }

function run(handlers: Handlers, id: EndpointId) {
  // The table is total; TypeScript cannot follow that the parts of a request are those of this very row.
  const handle = handlers[id] as (call: object, reply: FastifyReply) => unknown
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const { params, query, body, principal } = request
    const asked = { action: id, request_id: request.id, scope: principal?.pools }
    const ifMatch = readIfMatch(request.headers['if-match'])
    if (isRefusal(ifMatch)) return sendProblem(reply, ifMatch)
    const outcome = await handle({ params, query, body, by: principal ?? ANYONE, asked, ifMatch }, reply)
    if (isRefusal(outcome)) return sendProblem(reply, outcome)
    if (outcome === undefined) return reply.code(204).send()
    return isAnswered(outcome) ? tell(reply, outcome) : outcome
  }
}

function tell(reply: FastifyReply, { body, stamp, location, complete }: Answered<unknown>): unknown {
  if (stamp !== undefined) reply.header('etag', entityTag(stamp))
  if (location !== undefined) reply.code(201).header('location', location)
  if (complete && stamp !== undefined && isKnown(reply.request.headers['if-none-match'], stamp))
    return reply.code(304).send()
  return body === undefined ? reply.code(204).send() : body
}

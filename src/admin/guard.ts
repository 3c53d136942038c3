/** Before anything else of a request is looked at, its token. What does not exist needs one too: strangers learn nothing. */
import type { FastifyInstance } from 'fastify'
import { name } from '../config/definitions.ts'
import type { Definitions } from '../core/nouns.ts'
import { type Refusal, refuse } from '../errors.ts'
import { type Authenticate, bearer, forbids, idOf, type Principal } from './auth.ts'
import type { Endpoint } from './contract/endpoint.ts'
import { type EndpointId, endpoints } from './contract/endpoints.ts'
import { heartbeat } from './contract/gateways.ts'
import type { Guesses } from './guesses.ts'
import { sendProblem } from './problem.ts'
import type { TokenUses } from './uses.ts'

export interface GuardOptions {
  readonly authenticate: Authenticate
  readonly guesses: Guesses
  readonly uses: TokenUses
  definitions(): Definitions
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null where no token is needed. */
    principal: Principal | null
  }
  interface FastifyContextConfig {
    endpoint?: EndpointId
  }
}

export function guard(app: FastifyInstance, { authenticate, guesses, uses, definitions }: GuardOptions): void {
  app.decorateRequest('principal', null)
  app.addHook('onRequest', async (request, reply) => {
    // Under its id a request is found in the log and in the audit chain.
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'x-request-id': request.id })
    const { endpoint } = request.routeOptions.config
    const row: Endpoint | undefined = endpoint === undefined ? undefined : endpoints[endpoint]
    if (row?.role === 'anyone') return
    const { authorization } = request.headers
    const guess = isGuess(authorization)
    if (guess && guesses.tooMany(request.ip)) {
      return sendProblem(reply, refuse('too_many_requests', 'too many wrong tokens came from this address'))
    }
    const principal = authenticate(authorization)
    if (principal === null) {
      if (guess) guesses.add(request.ip)
      return sendProblem(reply, refuse('unauthorized', 'send Authorization: Bearer TOKEN'))
    }
    uses.note(principal)
    request.principal = principal
    if (row === undefined) return
    const params = request.params as Record<string, string>
    const refusal = forbids(principal, row, params, definitions()) ?? unnamed(params)
    if (refusal !== null) return sendProblem(reply, refusal)
  })
}

const isName = (text: string): boolean => name.safeParse(text).success

/** What the parts of a path look like. */
const FORMS: Readonly<Record<string, (text: string) => boolean>> = {
  name: isName,
  gateway: isName,
  window: isName,
  instance: text => heartbeat.shape.instance.safeParse(text).success,
  revision: text => /^\d{1,15}$/.test(text),
}

/** What cannot be a name is not there, and is not repeated: it may be a token that got into the wrong place. */
function unnamed(params: Readonly<Record<string, string>>): Refusal | null {
  const strange = Object.entries(params).some(([key, text]) => FORMS[key]?.(text) === false)
  return strange ? refuse('not_found', 'there is nothing by that name') : null
}

/** Only the bootstrap administrator's token was chosen by a person, so that guessing could be worth the while. */
function isGuess(authorization: string | undefined): boolean {
  const presented = bearer(authorization)
  return presented !== undefined && idOf(presented) === ''
}

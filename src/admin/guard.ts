/** Before anything else of a request is looked at, its token. What does not exist needs one too: strangers learn nothing. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { NAME_FORM } from '../config/definitions.ts'
import type { Definitions } from '../core/nouns.ts'
import { type Refusal, refuse } from '../errors.ts'
import { type Authenticate, bearer, forbids, idOf, type Principal } from './auth.ts'
import type { Endpoint } from './contract/endpoint.ts'
import { type EndpointId, endpoints } from './contract/endpoints.ts'
import { INSTANCE_FORM } from './contract/shapes.ts'
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
  const refused = (request: FastifyRequest): Refusal | null => {
    const { endpoint } = request.routeOptions.config
    const row: Endpoint | undefined = endpoint === undefined ? undefined : endpoints[endpoint]
    if (row?.role === 'anyone') return null
    const { authorization } = request.headers
    const guess = isGuess(authorization)
    if (guess && guesses.tooMany(request.ip)) {
      return refuse('too_many_requests', 'too many wrong tokens came from this address')
    }
    const principal = authenticate(authorization)
    if (principal === null) {
      if (guess) guesses.add(request.ip)
      return refuse('unauthorized', 'send Authorization: Bearer TOKEN')
    }
    uses.note(principal)
    request.principal = principal
    if (row === undefined) return null
    const params = request.params as Record<string, string>
    return forbids(principal, row, params, definitions()) ?? unnamed(params)
  }

  // With a callback: a beat is not worth a promise.
  app.addHook('onRequest', (request, reply, done) => {
    // Under its id a request is found in the log and in the audit chain.
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'x-request-id': request.id })
    const refusal = refused(request)
    if (refusal === null) done()
    else void sendProblem(reply, refusal)
  })
}

/** What the parts of a path look like. */
const FORMS: Readonly<Record<string, RegExp>> = {
  name: NAME_FORM,
  gateway: NAME_FORM,
  window: NAME_FORM,
  instance: INSTANCE_FORM,
  revision: /^\d{1,15}$/,
}

/** What cannot be a name is not there, and is not repeated: it may be a token that got into the wrong place. */
function unnamed(params: Readonly<Record<string, string>>): Refusal | null {
  for (const key in params) {
    if (FORMS[key]?.test(params[key] ?? '') === false) return refuse('not_found', 'there is nothing by that name')
  }
  return null
}

/** Only the bootstrap administrator's token was chosen by a person, so that guessing could be worth the while. */
function isGuess(authorization: string | undefined): boolean {
  const presented = bearer(authorization)
  return presented !== undefined && idOf(presented) === ''
}

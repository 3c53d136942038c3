/** Before anything else of a request is looked at, its token. What does not exist needs one too: strangers learn nothing. */
import type { FastifyInstance } from 'fastify'
import type { Definitions } from '../core/nouns.ts'
import { refuse } from '../errors.ts'
import { type Authenticate, bearer, forbids, idOf, type Principal } from './auth.ts'
import type { Endpoint } from './contract/endpoint.ts'
import { type EndpointId, endpoints } from './contract/endpoints.ts'
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
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
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
    const refusal = row ? forbids(principal, row, request.params as Record<string, string>, definitions()) : null
    if (refusal !== null) return sendProblem(reply, refusal)
  })
}

/** Only the bootstrap administrator's token was chosen by a person, so that guessing could be worth the while. */
function isGuess(authorization: string | undefined): boolean {
  const presented = bearer(authorization)
  return presented !== undefined && idOf(presented) === ''
}

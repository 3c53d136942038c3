/**
 * Every error that anybody outside can see, on one page: in a problem document of the admin API, in an answer of the proxy, in a
 * message of `gatepool check`. The code is the stable part, programs may rely on it; titles are for people and may change.
 */

export interface ErrorEntry {
  /** One short line for people. */
  readonly title: string
  /** The HTTP status it is answered with. */
  readonly status: number
  /** True when the very same request may succeed later, with nothing changed by whoever sends it. */
  readonly retry: boolean
}

export const errors = {
  // What the proxy answers for requests that it does not pass on.
  no_route: { title: 'No route matches this request', status: 404, retry: false },
  address_denied: { title: 'This address may not use this route', status: 403, retry: false },
  method_not_allowed: { title: 'This method is not allowed here', status: 405, retry: false },
  request_timeout: { title: 'The request did not arrive in time', status: 408, retry: true },
  body_too_large: { title: 'The request body is too large', status: 413, retry: false },
  target_too_long: { title: 'The request target is too long', status: 414, retry: false },
  expectation_failed: { title: 'The Expect field asks for something unknown', status: 417, retry: false },
  head_too_large: { title: 'The request head is too large', status: 431, retry: false },
  client_gone: { title: 'The client left before the answer', status: 499, retry: false },
  coding_not_supported: { title: 'This transfer coding is not supported', status: 501, retry: false },
  version_not_supported: { title: 'This HTTP version is not supported', status: 505, retry: false },

  // What the proxy answers when nobody behind it did.
  upstream_refused: { title: 'The upstream refused the connection', status: 502, retry: true },
  upstream_tls_failed: { title: 'The TLS handshake with the upstream failed', status: 502, retry: true },
  upstream_closed: { title: 'The upstream closed the connection before it answered', status: 502, retry: true },
  upstream_malformed: { title: 'The upstream sent a malformed answer', status: 502, retry: true },
  upstream_body_cut: { title: 'The upstream cut its answer short', status: 502, retry: true },
  upstream_connect_timeout: { title: 'The upstream could not be reached in time', status: 504, retry: true },
  upstream_timeout: { title: 'The upstream did not answer in time', status: 504, retry: true },
  pool_outage: { title: 'No gateway of the pool can serve at the moment', status: 503, retry: true },
  pool_full: { title: 'Every gateway of the pool is at its limit', status: 503, retry: true },
  dial_failed: { title: 'This replica cannot open another connection', status: 503, retry: true },
  too_many_connections: { title: 'Too many connections', status: 503, retry: true },
  shutting_down: { title: 'This replica is shutting down', status: 503, retry: true },

  // Shape of a request, and who may make it.
  bad_request: { title: 'The request is malformed', status: 400, retry: false },
  unauthorized: { title: 'A valid token is needed', status: 401, retry: false },
  forbidden: { title: 'This token may not do that', status: 403, retry: false },
  not_found: { title: 'There is nothing by that name', status: 404, retry: false },
  unsupported_media_type: { title: 'The body must be JSON', status: 415, retry: false },
  too_many_requests: { title: 'Too many requests', status: 429, retry: true },

  // References to what is not there, or is there already.
  unknown_reference: { title: 'It refers to something unknown', status: 422, retry: false },
  duplicate_name: { title: 'The name is taken', status: 422, retry: false },
  duplicate_member: { title: 'The gateway is a member already', status: 422, retry: false },
  equal_routes: { title: 'Another route matches the same requests', status: 422, retry: false },
  fallback_cycle: { title: 'The fallback pools form a circle', status: 422, retry: false },
  config_rejected: { title: 'The configuration was rejected', status: 422, retry: false },

  // Refused by rule.
  gateway_in_use: { title: 'The gateway is in use', status: 409, retry: false },
  pool_in_use: { title: 'The pool is in use', status: 409, retry: false },
  last_member_in_use: { title: 'The last member of a pool in use cannot go', status: 409, retry: false },
  pool_balances: { title: 'The pool balances its load and does not fail over', status: 409, retry: false },
  member_not_ready: { title: 'The member cannot serve at the moment', status: 409, retry: true },
  max_instances_reached: { title: 'The gateway has as many instances as it may have', status: 409, retry: true },
  limit_reached: { title: 'There are as many of these as there may be', status: 409, retry: false },
  not_migratable: { title: 'The route is not pinned to a member of the pool', status: 409, retry: false },
  route_unreachable: { title: 'Nobody who would serve the route can be reached', status: 409, retry: true },
  loopback_backend: { title: 'The backend of the route is a loopback address', status: 409, retry: false },
  address_not_allowed: { title: 'The gateway may not announce this address', status: 409, retry: false },
  defined_by_file: { title: 'The configuration file defines this', status: 409, retry: false },
  listen_failed: { title: 'A listener cannot be opened', status: 409, retry: true },
  needs_restart: { title: 'This change needs a restart', status: 409, retry: false },
  revision_conflict: { title: 'Others kept changing it at the same time', status: 409, retry: true },
  precondition_failed: { title: 'It has changed since it was read', status: 412, retry: false },
  not_available: { title: 'This version does not run that yet', status: 501, retry: false },

  // The store, and ourselves.
  store_unavailable: { title: 'The store cannot be reached', status: 503, retry: true },
  store_refilling: { title: 'The store is being refilled', status: 503, retry: true },
  store_foreign: { title: 'The store belongs to another installation', status: 503, retry: false },
  store_known: { title: 'There is no other store to adopt', status: 409, retry: false },
  store_newer: { title: 'The store was written by a newer version', status: 503, retry: false },
  internal: { title: 'Something went wrong inside gatepool', status: 500, retry: true },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errors

/** An expected "no": returned, never thrown. */
export interface Refusal {
  readonly kind: 'refusal'
  readonly code: ErrorCode
  /** What exactly, with names; shown to whoever asked, so never a secret. */
  readonly detail: string
  /** Further members of the problem document: the routes in the way, the fields that are wrong. */
  readonly extra?: Readonly<Record<string, unknown>>
}

export function refuse(code: ErrorCode, detail: string, extra?: Readonly<Record<string, unknown>>): Refusal {
  return extra === undefined ? { kind: 'refusal', code, detail } : { kind: 'refusal', code, detail, extra }
}

/** Tells a refusal from any other outcome. */
export function isRefusal(outcome: unknown): outcome is Refusal {
  return typeof outcome === 'object' && outcome !== null && 'kind' in outcome && outcome.kind === 'refusal'
}

/**
 * Every name under which a cluster keeps something in Redis. All of them start with `gatepool:{<cluster>}:`; the braces put one cluster
 * into one slot of a Redis Cluster, so that a script may use any of them at once.
 */

/** The keys, in the order in which every script gets them. */
export const NAMES = [
  /** Hash: `generation` (a text made with this store), `schema`, `revision` (the counter); anchor and end of the audit chain; `heir:GENERATION`
   * of each store that this one has taken the place of; bytes of each stream; when a replica last asked for news, or since when there is
   * nothing in this store; since when the one evaluates who does. */
  'meta',
  /** Hash: `revision`, `tag` (which version has that number), `value` (JSON), `at`, `by`. The next two likewise. */
  'definitions',
  'holds',
  'access',
  /** Hash: `revision`, `tag`, and a field `PART:GATEWAY` (JSON) for each record of its parts: a step writes only what changed. */
  'liveness',
  /** Stream: the newest revisions of the definitions, as `<revision>-0`: `tag`, `at`, `by`, `value`. */
  'history',
  /** Stream: the newest facts of the cluster and of its replicas: `id`, `origin` (who put it in), `fact` (JSON without its id). */
  'events',
  /** Stream: the newest records of the audit chain, as `<seq>-0`: `previous`, `hash`, `text`. */
  'audit',
  /** Sorted set: `GATEWAY/INSTANCE` by the moment at which its newest beat arrived here, ms: "what is new" is one range. */
  'beats',
  /** Hash: `GATEWAY/INSTANCE` → its newest beat: when it was heard (ms), by which run of a replica, and what it said of itself (JSON). */
  'instances',
  /** Hash: id of a token → ms of its last use. */
  'uses',
  /** Text: which event each webhook was told last (JSON). */
  'cursors',
  /** Hash: name of a replica → when it was last heard of (ms), its run, and what it says of itself (JSON). */
  'replicas',
  /** The run that evaluates what time makes due; expires. Only an economy: another one that does it too does no harm. */
  'watchdog',
] as const

export type KeyName = (typeof NAMES)[number]

export interface Keys {
  /** In the order of `NAMES`. */
  readonly all: readonly string[]
  /** The number of the last batch of facts that one run of a replica (`origin`) has put in; goes after a day. */
  batch(origin: string): string
  /** For trying what the user of Redis may do. */
  readonly scratch: string
  /** The channel that tells of each new revision, and of what a replica tells. Only a hurry-up: whoever misses it finds out by asking. */
  readonly news: string
}

export function keysOf(cluster: string): Keys {
  const key = (name: string) => `gatepool:{${cluster}}:${name}`
  return { all: NAMES.map(key), batch: origin => key(`batch:${origin}`), scratch: key('scratch'), news: key('news') }
}

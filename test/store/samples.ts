import type { Fact, FactDraft } from '../../src/core/events.ts'
import type { Access, Beats, Definitions, Holds, Liveness } from '../../src/core/nouns.ts'
import { type AuditDraft, EMPTY, type Values } from '../../src/core/store.ts'

export const CLUSTER = 'home'

/** Documents that can be told apart by their number. */
export const definitions = (n: number): Definitions => ({
  ...EMPTY.definitions,
  settings: { gateway_down_threshold: n, address_ranges: [] },
})
export const holds = (n: number): Holds => ({
  gateways: { home: [{ reason: 'drain', holder: 'ops', since: n, note: 'a "new" disk\n\u2028 \0 🐿' }] },
  windows: {},
  failovers: { main: { kind: 'over', to: 'nas', by: 'ops', since: n } },
})
export const liveness = (n: number): Liveness => ({
  gateways: { home: { state: 'up', since: n } },
  instances: { home: { 'home-1': n } },
  refused: { home: ['home-2'] },
})

export const access = (n: number): Access => ({
  tokens: [{ name: 'ops', id: 'abc', hash: '00', role: 'operator', created_at: n }],
  webhooks: [{ name: 'ops', url: 'https://example.org/', secret: 'whsec_', allow_private: false, created_at: n }],
})

export const values = (n: number): Values => ({
  definitions: definitions(n),
  holds: holds(n),
  liveness: liveness(n),
  access: access(n),
})

export const beats = (n: number): Beats =>
  new Map([
    [
      'home',
      { one: { at: n, said: { state: 'ready', version: '1.0' } }, two: { at: n + 1, said: { state: 'drain' } } },
    ],
  ])

/** What a write tells. */
export const draft = (subject: string, kind: 'gateway_down' | 'first_alive' = 'gateway_down'): FactDraft => ({
  kind,
  at: 1,
  subject,
  cause: 'stale',
})

/** What replica `a` tells. */
export const local = (n: number, subject = 'a'): Fact => ({
  kind: 'store_lost',
  at: n,
  subject,
  cause: 'test',
  id: `a-boot-${n}`,
  cluster: CLUSTER,
  replica: 'a',
})

/** What somebody asked for. */
export const asked = (n: number, rest: Partial<AuditDraft> = {}): AuditDraft => ({
  at: n,
  by: 'ops',
  action: 'update_pool',
  subject: 'pool:main',
  request_id: `request-${n}`,
  before: { title: 'a "new" disk\n\u2028 \0 🐿 \ud800', weight: 1.5 },
  after: null,
  ...rest,
})

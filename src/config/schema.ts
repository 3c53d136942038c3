/**
 * The configuration file, on one page. What changes while traffic flows (gateways, pools, routes, settings) has a page of its own,
 * `definitions.ts`; everything else an operator can say is here, and is always taken from the file.
 */
import { z } from 'zod'
import { definitionSections, name } from './definitions.ts'
import { addressRange, duration, listenAddress, size } from './units.ts'

const COUNT = z.number().int().min(1)
const PATH = z.string().min(1, { error: 'expected the path of a file' })

/** Visible ASCII, so that it fits into an Authorization field as it is. */
const secret = z
  .string()
  .regex(/^[\x21-\x7e]{8,512}$/, { error: 'expected at least 8 printable characters without spaces' })

const tlsServer = z.strictObject({
  cert: PATH.meta({ description: 'Certificate chain, PEM', examples: ['admin.crt'] }),
  key: PATH.meta({ description: 'Its private key, PEM', examples: ['admin.key'] }),
  client_ca: PATH.optional().meta({
    description: 'Ask clients for a certificate of this authority',
    examples: ['clients.crt'],
  }),
})

const tlsClient = z
  .strictObject({
    ca: PATH.optional().meta({
      description: 'Authority of its certificate, PEM; absent: those of the system',
      examples: ['redis-ca.crt'],
    }),
    cert: PATH.optional().meta({
      description: 'Own certificate, PEM, where it asks for one',
      examples: ['replica.crt'],
    }),
    key: PATH.optional().meta({ description: 'Its private key, PEM', examples: ['replica.key'] }),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), { error: 'cert and key belong together' })

const store = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('embedded').meta({ description: 'A file of this replica alone' }),
    path: PATH.default('./data/gatepool.db').meta({ description: 'File of the store, from the working directory' }),
  }),
  z
    .strictObject({
      kind: z.literal('redis').meta({ description: 'Shared by several replicas' }),
      url: z
        .string()
        .regex(/^(rediss?|redis\+sentinel|redis\+cluster):\/\/\S+$/, {
          error: 'expected an address such as redis://127.0.0.1:6379',
        })
        .meta({ description: 'Where Redis is', examples: ['redis://127.0.0.1:6379'] }),
      tls: tlsClient.optional().meta({ description: 'For rediss:// and ?tls=1; read at the start' }),
      cache: PATH.default('./data/replica.db').meta({ description: 'Own copy of this replica' }),
    })
    // It would be a lie to take a certificate and speak in the clear.
    .refine(({ url, tls }) => tls === undefined || /^rediss:|[?&]tls=1/.test(url), {
      path: ['tls'],
      error: 'the address asks for no TLS: rediss://, or ?tls=1',
    }),
])

const admin = z.strictObject({
  listen: listenAddress.prefault('127.0.0.1:9900').meta({ description: 'Admin API, health and metrics' }),
  token: secret
    .optional()
    .meta({ description: 'First administrator; absent: made at the start', examples: ['${GATEPOOL_ADMIN_TOKEN}'] }),
  tls: tlsServer.optional().meta({ description: 'HTTPS instead of HTTP' }),
})

const limits = z.strictObject({
  max_request_line: size({ min: 256 }).prefault('8KiB').meta({ description: 'Longer: 414' }),
  max_head: size({ min: 1024 })
    .prefault('32KiB')
    .meta({ description: 'Request line and fields together; larger: 431' }),
  max_fields: COUNT.max(10_000).default(100).meta({ description: 'More fields: 431' }),
  max_body: size().prefault('0B').meta({ description: 'Larger request body: 413; 0B: no limit' }),
  head_timeout: duration({ min: 100 })
    .prefault('10s')
    .meta({ description: 'From the first byte of a head to its last' }),
  keep_alive_timeout: duration({ min: 100 }).prefault('75s').meta({ description: 'Idle between two requests' }),
  body_timeout: duration({ min: 100 }).prefault('60s').meta({ description: 'Nothing of a body arrives' }),
  min_body_rate: size()
    .prefault('240B')
    .meta({ description: 'A body must bring this much a second, over 10s; 0B: off' }),
  max_connections: COUNT.default(10_000).meta({ description: 'Connections at once' }),
  max_connections_per_address: COUNT.default(1024).meta({
    description: 'From one address, or one IPv6 /64; loopback exempt',
  }),
})

export const listener = z.strictObject({
  name: name.meta({ description: 'Identity; letters, digits and hyphens', examples: ['web'] }),
  protocol: z
    .enum(['http', 'https', 'tls'])
    .default('http')
    .meta({ description: 'http, https, or tls (passed through by name)' }),
  listen: listenAddress.meta({ description: 'Address and port', examples: ['127.0.0.1:8080'] }),
  trusted_proxies: z
    .array(addressRange)
    .default([])
    .meta({ description: 'Whose X-Forwarded-For, Forwarded and PROXY protocol are believed' }),
  accept_proxy: z.boolean().default(false).meta({ description: 'Expect PROXY protocol from trusted_proxies' }),
  certificates: z
    .array(
      z.strictObject({
        cert: PATH.meta({ description: 'Certificate chain, PEM', examples: ['one.crt'] }),
        key: PATH.meta({ description: 'Its private key, PEM', examples: ['one.key'] }),
      }),
    )
    .default([])
    .meta({ description: 'https: chosen by the server name asked for' }),
  default_route: name.optional().meta({ description: 'tls: takes what names no known server', examples: ['db'] }),
  limits: limits.prefault({}).meta({ description: 'What a client may ask of us' }),
})

const logging = z.strictObject({
  level: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .meta({ description: 'Least important lines to write: debug, info, warn, error, silent' }),
  access: z.boolean().default(false).meta({ description: 'A line for each request' }),
  access_sample: z.number().gt(0).max(1).default(1).meta({ description: 'Share of the requests that get a line' }),
})

export const config = z.strictObject({
  version: z.literal(1, { error: 'this version of gatepool reads files that say version: 1' }).meta({
    description: 'Of this format',
    examples: [1],
  }),
  cluster: name.default('default').meta({ description: 'Replicas with the same cluster and store share one view' }),
  replica: name.optional().meta({
    description: 'Name of this replica in its cluster; absent: made from the name of the host',
    examples: ['replica-a'],
  }),
  store: store.prefault({ kind: 'embedded' }).meta({ description: 'Where state survives a restart' }),
  admin: admin.prefault({}).meta({ description: 'The API for people and tools' }),
  metrics: z
    .strictObject({ listen: listenAddress.meta({ description: 'Address and port', examples: ['127.0.0.1:9901'] }) })
    .optional()
    .meta({ description: 'Metrics without a token, on a listener of their own' }),
  heartbeats: z
    .strictObject({
      listen: listenAddress.meta({ description: 'Address and port', examples: ['0.0.0.0:9902'] }),
      tls: tlsServer.optional().meta({ description: 'HTTPS instead of HTTP' }),
    })
    .optional()
    .meta({ description: 'A listener that takes heartbeats, answers /livez, and nothing else' }),
  logging: logging.prefault({}).meta({ description: 'JSON lines on stdout' }),
  drain_delay: duration()
    .prefault('0s')
    .meta({ description: 'Between "not ready" and the end of accepting, at a stop' }),
  drain_timeout: duration().prefault('30s').meta({ description: 'What runs may finish within this time, at a stop' }),
  definitions: z
    .enum(['file', 'store'])
    .default('file')
    .meta({ description: 'file: settings to routes below are the truth; store: they are its first content' }),
  listeners: z.array(listener).default([]).meta({ description: 'Where traffic comes in' }),
  ...definitionSections,
})

export type Config = z.output<typeof config>
export type Listener = z.output<typeof listener>
export type ListenAddress = Listener['listen']

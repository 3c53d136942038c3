import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { formatProblems, loadConfig, MAX_FILE, parseConfig } from '../../src/config/load.ts'

/** What a file says, line by line, or what is wrong with it. */
function read(text: string, env: Record<string, string> = {}, files: Record<string, string> = {}): unknown {
  const loaded = parseConfig(text, 'x.yaml', env, path => {
    const found = files[path]
    return found === undefined ? { wrong: 'cannot be read (ENOENT)' } : { text: found }
  })
  return loaded.kind === 'config' ? loaded.config : formatProblems(loaded.problems).trimEnd().split('\n')
}

test('the smallest file is all defaults', t => {
  t.strictSame(read('version: 1'), {
    version: 1,
    cluster: 'default',
    store: { kind: 'embedded', path: './data/gatepool.db' },
    admin: { listen: { host: '127.0.0.1', port: 9900 } },
    logging: { level: 'info', access: false, access_sample: 1 },
    drain_delay: 0,
    drain_timeout: 30_000,
    definitions: 'file',
    listeners: [],
    settings: {
      gateway_down_threshold: 90_000,
      address_ranges: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
    },
    gateways: [],
    pools: [],
    routes: [],
  })
  t.end()
})

test('the environment fills text, and numbers where numbers belong', t => {
  const text = [
    'version: 1',
    'cluster: ${CLUSTER:-home}',
    'gateways:',
    '  - { name: a, address: "${HOST}", http_port: "${PORT:-8080}", enabled: "${ON}" }',
    'pools:',
    '  - { name: a, outage_message: "costs $$${PRICE}, $ 5, $$${PRICE:-}" }',
  ].join('\n')
  t.match(read(text, { HOST: 'nas.lan', PORT: '9101', PRICE: '1', ON: 'false' }), {
    cluster: 'home',
    gateways: [{ address: 'nas.lan', http_port: 9101, enabled: false }],
    pools: [{ outage_message: 'costs $1, $ 5, $1' }],
  })
  t.match(read(text, { HOST: 'nas.lan', PORT: '', PRICE: '1', ON: 'true', CLUSTER: '7' }), {
    cluster: '7',
    gateways: [{ http_port: 8080 }],
  })
  t.end()
})

test('what the environment fills in is checked as what it stands for', t => {
  const text = 'version: 1\nadmin:\n  token: ${TOKEN}\ngateways:\n  - { name: a, address: a, http_port: "${PORT}" }'
  t.strictSame(read(text, { TOKEN: '1234567', PORT: '99999' }), [
    'x.yaml:3:10: admin.token: expected at least 8 printable characters without spaces',
    'x.yaml:5:39: gateways[0].http_port: must be at most 65535',
  ])
  t.match(read(text, { TOKEN: '12345678', PORT: '80' }), { admin: { token: '12345678' } })
  t.end()
})

test('a secret may come from a file that the environment names', t => {
  const text = 'version: 1\nadmin:\n  token: ${TOKEN}\n'
  t.match(read(text, { TOKEN_FILE: '/run/t' }, { '/run/t': 'correct-horse\n' }), { admin: { token: 'correct-horse' } })
  t.strictSame(read(text, { TOKEN_FILE: '/run/t' }), [
    'x.yaml:3:10: the file that TOKEN_FILE names cannot be read (ENOENT)',
  ])
  t.strictSame(read(text, { TOKEN_FILE: '/run/t', TOKEN: 'x' }, { '/run/t': 'y' }), [
    'x.yaml:3:10: both TOKEN and TOKEN_FILE are set: only one of them can be meant',
  ])
  t.strictSame(read(text), ['x.yaml:3:10: the environment variable TOKEN is not set, and neither is TOKEN_FILE'])
  t.end()
})

test('some variables go before the file', t => {
  const text = 'version: 1\ncluster: home\nadmin:\n  token: from-the-file\n'
  const env = {
    GATEPOOL_CLUSTER: 'away',
    GATEPOOL_STORE_PATH: '/data/x.db',
    GATEPOOL_ADMIN_LISTEN: '[::1]:9911',
    GATEPOOL_ADMIN_TOKEN_FILE: '/run/t',
    GATEPOOL_LOG_LEVEL: 'debug',
  }
  t.match(read(text, env, { '/run/t': 'from-the-environment' }), {
    cluster: 'away',
    store: { kind: 'embedded', path: '/data/x.db' },
    admin: { listen: { host: '::1', port: 9911 }, token: 'from-the-environment' },
    logging: { level: 'debug' },
  })
  t.strictSame(read(text, { GATEPOOL_ADMIN_TOKEN: 'short', GATEPOOL_LOG_LEVEL: 'loud' }), [
    'x.yaml:1:1: logging.level: GATEPOOL_LOG_LEVEL: expected one of debug, info, warn, error, silent',
    'x.yaml:4:10: admin.token: GATEPOOL_ADMIN_TOKEN: expected at least 8 printable characters without spaces',
  ])
  const shared = read('version: 1\nstore: { kind: redis, url: "redis://a" }', { GATEPOOL_STORE_PATH: '/data/x.db' })
  t.match(shared, { store: { kind: 'redis', cache: '/data/x.db' } }, 'what a replica keeps by itself')
  t.end()
})

test('no message repeats what the environment filled in', t => {
  const secret = 'hunter2-hunter2'
  const texts = [
    'version: 1\nadmin: { token: "${S} ${S}", listen: "${S}" }\nlogging: { level: "${S}" }\nstore: { kind: "${S}" }',
    'version: "${S}"\nlisteners: [{ name: "${S}-", listen: "${S}" }]',
    'version: 1\npools: [{ name: a, members: ["${S}"], mode: "${S}", lb_policy: "${S}", failback_cooldown: "${S}" }]',
    'version: 1\nroutes: [{ name: a, target: { pool: "${S}" } }, { name: b, target: { gateway: "${S}" }, match: { path: "${S}" } }]',
    'version: 1\ngateways: [{ name: "${S}", address: a }, { name: "${S}", address: a, http_port: "${S}" }]',
    'version: 1\nroutes: [{ name: a, target: "${S}", listener: "${S}" }]\n"${S}": 1',
    'version: ${S\nx: [${S}',
  ]
  for (const text of texts) {
    const problems = read(text, { S: secret })
    t.ok(Array.isArray(problems) && problems.length > 0)
    t.notMatch(JSON.stringify(problems), /hunter2/)
  }
  t.end()
})

test('a text that looks like a reference and is none is told', t => {
  t.strictSame(read('version: 1\ncluster: ${1x}'), [
    'x.yaml:2:10: expected ${NAME} or ${NAME:-default}; a plain $ before { is written $$',
  ])
  t.strictSame(read('version: 1\nadmin: { token: ${TOKEN} }'), [
    'x.yaml:2:18: malformed YAML: inside { } and [ ] text with ${ } needs quotes',
  ])
  t.end()
})

test('two listeners cannot share an address, unless the system picks the ports', t => {
  const listeners = (...at: string[]) =>
    `version: 1\nlisteners:\n${at.map((to, i) => `  - { name: l${i}, listen: ${to} }\n`).join('')}`
  t.strictSame(read(listeners('127.0.0.1:9900', '127.0.0.1:80', '127.0.0.1:80')), [
    'x.yaml:3:25: listeners[0].listen: the admin API listens there already',
    'x.yaml:5:25: listeners[2].listen: listener "l1" listens there already',
  ])
  t.match(read(listeners('127.0.0.1:0', '127.0.0.1:0')), { listeners: [{ name: 'l0' }, { name: 'l1' }] })
  t.end()
})

test('anchors and aliases repeat what they name', t => {
  t.match(read('version: 1\ngateways:\n  - &a { name: a, address: &h nas.lan }\n  - { name: b, address: *h }\n'), {
    gateways: [{ address: 'nas.lan' }, { address: 'nas.lan' }],
  })
  t.end()
})

test('a file that is missing, too large or not text is a problem like any other', t => {
  const dir = t.testdir({ 'big.yaml': `version: 1\n#${'x'.repeat(MAX_FILE)}`, 'bytes.yaml': '', folder: {} })
  const bytes = join(dir, 'bytes.yaml')
  writeFileSync(bytes, Uint8Array.of(0x76, 0xff, 0xfe))
  const cases: [string, string][] = [
    [join(dir, 'none.yaml'), 'the file cannot be read (ENOENT)'],
    [join(dir, 'folder'), 'the file cannot be read (EISDIR)'],
    [join(dir, 'big.yaml'), 'the file is larger than 8MiB'],
    ['/dev/zero', 'the file is larger than 8MiB'],
    ['/dev/null', 'the file is empty: it needs at least version: 1'],
    [bytes, 'the file is not UTF-8 text'],
    ['a\0b', 'the file cannot be read (ERR_INVALID_ARG_VALUE)'],
  ]
  for (const [path, message] of cases) {
    t.strictSame(loadConfig(path, {}), {
      kind: 'problems',
      problems: [{ file: path, line: 1, column: 1, path: '', code: 'bad_request', message }],
    })
  }
  t.end()
})

/** `export` and `import`: everything that is defined, as a file. */
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { type Client, createClient, type Got } from './client.ts'
import { differences, differenceWords } from './differences.ts'
import { type Environment, EXIT } from './io.ts'
import { plain } from './print.ts'
import { type Failure, failure, placed } from './refused.ts'
import {
  type AddCommand,
  command,
  fail,
  type Json,
  pretty,
  type Session,
  type Sure,
  show,
  warn,
  withYes,
} from './session.ts'
import type { Written } from './sparse.ts'

const SECTIONS = ['settings', 'gateways', 'pools', 'routes'] as const

const READ = 'GET /api/v1/definitions'

export const addTransfer: AddCommand = (parent, session) => {
  addExport(parent, session)
  addImport(parent, session)
}

function addExport(parent: Command, session: Session): void {
  const description = 'everything that is defined, as a configuration file: settings, gateways, pools and routes'
  command(parent, 'export', description, 'export > definitions.yaml').action(async (options: Json) => {
    const { stringify } = await import('yaml')
    const { sparse } = await import('./sparse.ts')
    // A $ that stands for itself is written twice in a file.
    const inFile = (_: unknown, value: unknown) => (typeof value === 'string' ? value.replaceAll('$', '$$$$') : value)
    await show(
      session,
      options,
      client => client.call(READ),
      all => stringify({ version: 1, ...sparse(all) }, inFile),
    )
  })
}

function addImport(parent: Command, session: Session): void {
  const description =
    'make what is defined what a file says, all or nothing; without --yes only the differences are shown'
  const add = command(parent, 'import', description, 'import definitions.yaml', 'import definitions.yaml --yes')
  withYes(add)
    .argument('<file>', 'a configuration file, of which settings, gateways, pools and routes are taken; - is stdin')
    .action(async (file: string, options: Json & Sure) => {
      const client = await createClient(session.env)
      if ('kind' in client) return fail(session, client)
      const got = await compare(client, file, session.env)
      if (got.kind === 'failure') return fail(session, got)
      const { changes, wanted, document, etag } = got
      const { io, ends } = session
      io.out(options.json === true ? pretty(changes) : plainLines(differenceWords(changes)))
      if (changes.length === 0) io.err('nothing is different\n')
      else if (options.yes !== true) io.err('nothing was changed: say --yes to apply this\n')
      else {
        const done = await client.call('PUT /api/v1/definitions', { body: wanted, if_match: etag })
        if (done.kind === 'failure') return fail(session, placed(done, file, document.place))
        warn(session, done.body)
        io.err(`applied, as revision ${done.body.revision}\n`)
      }
      ends(EXIT.ok)
    })
}

const plainLines = (text: string): string => text.split('\n').map(plain).join('\n')

/** What is different between what is defined and what `file` says. */
async function compare(client: Client, file: string, env: Environment) {
  const read = await readDefinitions(file, env)
  if (read.kind === 'failure') return read
  const now: Got<Written> | Failure = await client.call(READ)
  if (now.kind === 'failure') return now
  return { ...read, changes: differences(now.body, read.wanted), etag: now.etag }
}

/** The definitions that a file holds, with their defaults; or every mistake at its line. */
async function readDefinitions(file: string, env: Environment) {
  let text: string
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    return failure(EXIT.failure, `cannot read ${file} (${code})`)
  }
  const [{ z }, { definitions }, { readDocument }, { fill }, { check, pathText }] = await Promise.all([
    import('zod'),
    import('../config/definitions.ts'),
    import('../config/document.ts'),
    import('../config/environment.ts'),
    import('../config/findings.ts'),
  ])
  const document = readDocument(text, written => fill(written, env, () => ({ wrong: 'is not read here' })))
  const mistakes = document.mistakes.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`)
  if (mistakes.length > 0) return failure(EXIT.failure, [`${file} is not right`, ...mistakes].join('\n  '))
  const whole = Object(document.value ?? {}) as Readonly<Record<string, unknown>>
  const said = Object.fromEntries(SECTIONS.flatMap(key => (whole[key] == null ? [] : [[key, whole[key]]])))
  const checked = check(definitions, said)
  if (checked.kind === 'value') return { kind: 'read', document, wanted: z.encode(definitions, checked.value) } as const
  const wrong = checked.findings.map(({ path, message }) => {
    const { line, column } = document.place(path)
    return `${file}:${line}:${column}: ${pathText(path)}: ${message}`
  })
  return failure(EXIT.failure, [`${file} is not right`, ...wrong].join('\n  '))
}

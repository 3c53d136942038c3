/**
 * The page of every endpoint, made from the contract's table. Shapes are in the OpenAPI document, which is made from the same table.
 */
import { type ErrorCode, errors } from '../errors.ts'
import type { Endpoint } from './contract/endpoint.ts'
import { endpoints } from './contract/endpoints.ts'

const HEAD = `# The admin API

Made from the contract by \`npm run generate\`: do not edit it here. What goes into a request and what comes with its answer is in the
OpenAPI document, at \`/openapi.json\` of a running gatepool.

A request carries \`Authorization: Bearer TOKEN\`. A "no" is a problem document (RFC 9457) with a stable \`code\`; what each code means is told at
the end. Beside what is listed, every endpoint that needs a token may refuse with \`bad_request\`, \`unauthorized\`, \`forbidden\` or
\`too_many_requests\`. A token that is limited to pools is taken where the third column says for what.
`

/** What a token that is limited to pools may do. */
const SCOPES: Readonly<Record<NonNullable<Endpoint['scope']>, string>> = {
  pool: 'its pools',
  gateway: 'gateways of its pools',
  route: 'routes of its pools',
  within: 'what is theirs',
}

/** `docs/reference/api.md`. */
export function apiReference(): string {
  const rows = Object.values<Endpoint>(endpoints)
  const bySubject = Map.groupBy(rows, ({ path }) => subjectOf(path))
  // What is one of its kind needs no chapter of its own.
  const chapter = ({ path }: Endpoint) =>
    bySubject.get(subjectOf(path))?.length === 1 ? 'This replica' : subjectOf(path)
  const chapters = [...Map.groupBy(rows, chapter)].map(([subject, some]) =>
    table(
      subject,
      ['endpoint', 'role', 'limited to pools', 'what it does', 'refused with'],
      some.map(({ method, path, role, scope, summary, refuses = [] }) => [
        `\`${method} ${path}\``,
        role,
        scope === undefined ? '' : SCOPES[scope],
        summary,
        [...new Set(refuses)].map(code => `\`${code}\``).join(' '),
      ]),
    ),
  )
  const used = new Set(rows.flatMap(({ refuses = [] }) => refuses))
  const codes = (Object.keys(errors) as ErrorCode[]).filter(code => used.has(code))
  const meanings = table(
    'Codes',
    ['code', 'status', 'meaning'],
    codes.map(code => [`\`${code}\``, String(errors[code].status), errors[code].title]),
  )
  return [HEAD, ...chapters, meanings].join('\n')
}

/** `gateway-pools` of `/api/v1/gateway-pools/:name`; what is not below a version is about this replica. */
function subjectOf(path: string): string {
  return /^\/api\/v1\/([\w-]+)/.exec(path)?.[1] ?? 'This replica'
}

function table(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [`## ${title}`, '', line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n')
}

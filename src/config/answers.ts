/** What a route may answer by itself, without any upstream: a redirect, or a fixed answer. */
import { z } from 'zod'

const HOST = String.raw`(?:\{host\}|[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])`
/** Behind the authority comes a path, a query, or nothing: no placeholder can make it another one. */
const ABSOLUTE = new RegExp(String.raw`^https?://${HOST}(?::\d{1,5})?(?=[/?#]|\{path\}|\{query\}|$)`)
/** `//` and `/\` would be another host to a browser, and every path begins with a slash. */
const ON_THIS_HOST = /^\/(?![/\\{])/

/** Why a redirect cannot lead to `to`; undefined: it can, whatever a client asks for. */
function redirectProblem(to: string): string | undefined {
  if (!/^[\x21-\x7e]{1,2000}$/.test(to)) return 'an address has no spaces; other characters are percent-encoded'
  if (/[{}]/.test(to.replace(/\{(?:host|path|query)\}/g, ''))) return 'the placeholders are {host}, {path} and {query}'
  if (!ABSOLUTE.test(to) && !ON_THIS_HOST.test(to))
    return 'expected an address such as https://www.example.com{path}{query}, or a path such as /login'
  if (/\?.*\{query\}|\{query\}.*\{query\}/.test(to)) return '{query} brings its own question mark'
  const filled = to.replaceAll('{host}', 'a.example').replaceAll('{path}', '/p').replaceAll('{query}', '?q')
  return URL.canParse(filled, 'http://a.example') ? undefined : 'this is not a valid address'
}

export const redirect = z.strictObject({
  to: z
    .string()
    .superRefine((to, context) => {
      const message = redirectProblem(to)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    })
    .meta({
      description: 'Where to; {host}, {path} and {query} (with its ?) are those of the request',
      examples: ['https://www.example.com{path}{query}'],
    }),
  status: z
    .literal([301, 302, 303, 307, 308])
    .default(308)
    .meta({ description: '301 or 308 for good, 302 or 307 for now, 303 for the outcome of a POST' }),
})

const MEDIA_TYPE =
  /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?: *; *[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|"[\x20\x21\x23-\x5b\x5d-\x7e]*"))*$/

export const respond = z
  .strictObject({
    status: z.number().int().min(200).max(599).default(200).meta({ description: 'Status of the answer' }),
    body: z.string().max(65_536).default('').meta({ description: 'Its body, as UTF-8' }),
    content_type: z
      .string()
      .max(200)
      .regex(MEDIA_TYPE, { error: 'expected a media type such as text/html; charset=utf-8' })
      .default('text/plain; charset=utf-8')
      .meta({ description: 'What the body is' }),
  })
  .refine(({ status, body }) => body === '' || ![204, 205, 304].includes(status), {
    error: 'an answer with this status has no body',
    path: ['body'],
  })

/**
 * What a route may do to the fields of a message, and which fields it may not touch: those that frame the message or belong to one
 * connection, those that say where it goes, and those that gatepool writes by itself.
 */
import { z } from 'zod'

/** RFC 9110 section 5.6.2. */
export const token = z
  .string()
  .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, { error: 'expected a name of letters, digits and hyphens' })

const fieldValue = z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, { error: 'a field value is one line of text' })

/** Hop by hop, or where the body ends (RFC 9110 7.6.1, RFC 9112 6). */
const FRAMING: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const FRAMES = 'says how a message is sent over one connection: gatepool writes it by itself'

/** Why a rule for requests may not name a field of this name (lower case, `-` for `_`); undefined: it may. */
function requestRefusal(name: string): string | undefined {
  if (FRAMING.has(name)) return FRAMES
  if (name === 'host') return 'is what upstream_host is for'
  if (name === 'expect') return 'is between the client and whoever reads the body'
  if (name === 'via' || name === 'x-request-id') return 'is written by gatepool itself'
  if (name === 'forwarded' || name === 'x-real-ip' || name.startsWith('x-forwarded-'))
    return 'says who the client is: gatepool writes it by itself, see forwarded'
  return name.startsWith('x-gatepool-') ? 'is reserved for gatepool' : undefined
}

function responseRefusal(name: string): string | undefined {
  return FRAMING.has(name) ? FRAMES : undefined
}

const shape = {
  set: z.record(token, fieldValue).default({}).meta({ description: 'Fields to replace' }),
  add: z.record(token, fieldValue).default({}).meta({ description: 'Fields to add' }),
  remove: z.array(token).default([]).meta({ description: 'Fields to take out' }),
}

function fieldRules(refusal: (name: string) => string | undefined) {
  return z.strictObject(shape).superRefine(({ set, add, remove }, context) => {
    const named = new Set<string>()
    const look = (name: string, path: (string | number)[]) => {
      const lower = name.toLowerCase()
      // Servers that speak CGI take an underscore for a dash.
      const reason = refusal(lower.replaceAll('_', '-'))
      if (reason !== undefined) context.addIssue({ code: 'custom', path, message: `${name} ${reason}` })
      else if (named.has(lower))
        context.addIssue({ code: 'custom', path, message: `${name} is named twice: a field is set, added or removed` })
      named.add(lower)
    }
    for (const name of Object.keys(set)) look(name, ['set', name])
    for (const name of Object.keys(add)) look(name, ['add', name])
    for (const [index, name] of remove.entries()) look(name, ['remove', index])
  })
}

export const requestFields = fieldRules(requestRefusal)
export const responseFields = fieldRules(responseRefusal)

/** The OpenAPI document of a running admin API, as a client uses it that knows nothing else. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { TestAdmin } from './admin.ts'

const ajv = new Ajv2020({ strict: false, validateFormats: false })

interface Media {
  readonly schema?: object
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>
}

interface Answer {
  readonly headers?: Readonly<Record<string, object>>
  readonly content?: Readonly<Record<string, Media>>
}

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required: boolean
  readonly schema: { readonly type?: string }
  readonly example?: string
}

/** One operation of the document, with what is needed to make its call. */
export interface Operation {
  readonly id: string
  readonly method: string
  readonly path: string
  readonly needsToken: boolean
  readonly parameters: readonly Parameter[]
  readonly body: Media | undefined
  readonly answers: Readonly<Record<string, Answer>>
}

interface Written {
  readonly operationId: string
  readonly security?: readonly object[]
  readonly parameters: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> }
  readonly responses: Readonly<Record<string, Answer>>
}

export async function operationsOf(it: TestAdmin): Promise<readonly Operation[]> {
  const document = (await (await it.ask('/openapi.json')).json()) as {
    paths: Record<string, Record<string, Written>>
    components: { schemas: Record<string, object> }
  }
  // What is referred to is put in its place: readers of a part need the part alone.
  const text = JSON.stringify(document.paths).replaceAll(/\{"\$ref":"#\/components\/schemas\/(\w+)"\}/g, (_, name) =>
    JSON.stringify(document.components.schemas[name]),
  )
  const paths = JSON.parse(text) as typeof document.paths
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, written]) => ({
      id: written.operationId,
      method: method.toUpperCase(),
      path,
      needsToken: written.security === undefined,
      parameters: written.parameters,
      body: written.requestBody?.content['application/json'],
      answers: written.responses,
    })),
  )
}

/** The path with what its parts are called, by the document's examples or by `names`. */
export function pathOf({ path, parameters }: Operation, names: Readonly<Record<string, string>> = {}): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const example = names[name] ?? parameters.find(one => one.in === 'path' && one.name === name)?.example
    if (example === undefined) throw new Error(`${path}: no example of ${name}`)
    return example
  })
}

/** The body of the document's example; undefined for an operation without a body. */
export function exampleOf({ id, body }: Operation): unknown {
  if (body === undefined) return undefined
  const [example] = Object.values(body.examples ?? {})
  if (example === undefined) throw new Error(`${id} has a body and no example of it: give its row one`)
  return example.value
}

/** Why `response` is not an answer that the document knows; null: it is one. */
export async function undocumented({ answers }: Operation, response: Response): Promise<string | null> {
  const documented = answers[response.status]
  const text = await response.text()
  const said = `${response.status} ${text.slice(0, 300)}`
  if (documented === undefined) return `status: ${said}`
  for (const [name, { required }] of Object.entries(documented.headers ?? {}) as [string, { required?: boolean }][])
    if (required && !response.headers.has(name)) return `no ${name}: ${said}`
  if (documented.content === undefined) return text === '' ? null : `a body: ${said}`
  const media = response.headers.get('content-type')?.split(';')[0] ?? ''
  const content = documented.content[media]
  if (content === undefined) return `media type ${media}: ${said}`
  if (!media.endsWith('json')) return null
  const value: { readonly code?: string } = JSON.parse(text)
  // It keeps what it has compiled, by the schema.
  if (!ajv.validate(content.schema ?? {}, value as unknown)) return `${ajv.errorsText()}: ${said}`
  if (media !== 'application/problem+json') return null
  if (content.examples?.[value.code ?? ''] === undefined) return `code: ${said}`
  return /\bat \S+ \(|node_modules|\.ts:\d/.test(text) ? `a stack trace: ${said}` : null
}

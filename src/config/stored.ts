/**
 * Definitions as the store keeps them: parsed, with durations in ms and every default filled in by the version that wrote them. A newer
 * version may know more keys, so what is read is completed by today's schema, and held to it.
 */
import { z } from 'zod'
import type { Definitions } from '../core/nouns.ts'
import { definitions } from './definitions.ts'
import { type Checked, check } from './findings.ts'

const stored = asStored(definitions)

/** Stored definitions with today's defaults for what they do not say; or what of them no longer fits. */
export function readStored({ stamps, ...sections }: Definitions): Checked<Definitions> {
  const checked = check(stored, sections) as Checked<Definitions>
  if (checked.kind === 'findings' || stamps === undefined) return checked
  return { kind: 'value', value: { ...checked.value, stamps } }
}

/** `schema` for values that were parsed already: what is written `15m` is a number of ms in them. */
function asStored(schema: z.core.$ZodType): z.ZodType {
  if (schema instanceof z.ZodObject) {
    const shape = Object.fromEntries(Object.entries(schema.shape).map(([key, value]) => [key, asStored(value)]))
    return schema.clone({ ...schema._zod.def, shape })
  }
  if (schema instanceof z.ZodArray) return schema.clone({ ...schema._zod.def, element: asStored(schema.element) })
  if (schema instanceof z.ZodDiscriminatedUnion)
    return schema.clone({ ...schema._zod.def, options: schema.options.map(asStored) as never })
  if (schema instanceof z.ZodUnion) return schema.clone({ ...schema._zod.def, options: schema.options.map(asStored) })
  if (schema instanceof z.ZodOptional) return asStored(schema.unwrap()).optional()
  if (schema instanceof z.ZodDefault)
    return asStored(schema.unwrap()).default(() => schema._zod.def.defaultValue as never)
  if (schema instanceof z.ZodPrefault) return asStored(schema.unwrap()).default(() => schema.parse(undefined))
  if (schema instanceof z.ZodPipe) return asStored(schema.out)
  return schema as z.ZodType
}

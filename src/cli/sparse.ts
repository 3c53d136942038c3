/**
 * Definitions as a person would write them: without what is said by default anyway.
 */
import { z } from 'zod'
import { type definitions, gateway, pool, route, settings } from '../config/definitions.ts'

/** In the form of the file and of the API: durations such as `15m`. */
export type Written = z.input<typeof definitions>

/** `definitions` without the values that are defaults. */
export function sparse(all: Written): Record<string, unknown> {
  const { gateways = [], pools = [], routes = [] } = all
  const leave = (schema: z.ZodType, vital: readonly string[]) => (object: Readonly<Record<string, unknown>>) => {
    const least = Object.fromEntries(Object.entries(object).filter(([key]) => vital.includes(key)))
    const bare = z.encode(schema, schema.parse(least)) as Record<string, unknown>
    return { ...least, ...without(object, bare) }
  }
  return {
    settings: leave(settings, [])(all.settings ?? {}),
    gateways: gateways.map(leave(gateway, ['name', 'address'])),
    pools: pools.map(leave(pool, ['name'])),
    routes: routes.map(leave(route, ['name', 'target'])),
  }
}

/** What of `object` is not in `bare`, section by section. */
function without(object: Readonly<Record<string, unknown>>, bare: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(
    Object.entries(object).flatMap(([key, value]) => {
      const usual = bare[key]
      if (JSON.stringify(value) === JSON.stringify(usual)) return []
      return [[key, isSection(value) && isSection(usual) ? without(value, usual) : value]]
    }),
  )
}

const isSection = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

import type { Route } from '../../core/nouns.ts'
import { isRefusal, type Refusal } from '../../errors.ts'
import type { validationEndpoints } from '../contract/validation.ts'
import { definitionsWith, reach, withRoute } from '../reach.ts'
import type { AdminOptions } from '../server.ts'
import { warningsOf } from '../warnings.ts'
import { available, checker, sent } from '../written.ts'
import type { HandlersOf } from './handler.ts'

type Options = Pick<AdminOptions, 'state' | 'store' | 'file' | 'connects'>

export function validationHandlers(options: Options): HandlersOf<typeof validationEndpoints> {
  const { state } = options

  return {
    async validate_route({ body }) {
      const { snapshot } = state
      const refusal = unfit(options, body)
      if (refusal !== null) return { valid: false, problems: problemsOf(refusal), warnings: [], connected: null }
      const then = withRoute(snapshot, body)
      const warnings = warningsOf(then, 'route', body)
      const outcome = await reach(then, body, options)
      if (!isRefusal(outcome)) return { valid: true, problems: [], warnings, connected: outcome }
      const { code, detail: message } = outcome
      return { valid: false, problems: [{ at: 'body.target', code, message }], warnings, connected: null }
    },
  }
}

/** What is wrong with a route before it is tried out. */
function unfit({ state, file }: Options, route: Route): Refusal | null {
  const { value } = state.snapshot.world.definitions
  const wanted = available('route', route)
  if (isRefusal(wanted)) return wanted
  return checker(file, sent(`route:${route.name}`))(definitionsWith(value, route), value)
}

/** Null: a connection through a healthy member came about, there is none to make, or the route is refused for another reason. */
export async function unreachable(options: Options, route: Route): Promise<Refusal | null> {
  if (unfit(options, route) !== null) return null
  const outcome = await reach(withRoute(options.state.snapshot, route), route, options)
  return isRefusal(outcome) ? outcome : null
}

interface Problem {
  readonly at: string
  readonly code: string
  readonly message: string
}

/** As they are said by `refuseFindings`. */
function problemsOf({ code, detail, extra }: Refusal): Problem[] {
  return (extra?.problems as Problem[] | undefined) ?? [{ at: 'body', code, message: detail }]
}

/** What several checks together say. */
import type { Pool } from './nouns.ts'

/** Of results or verdicts, what `require` makes of them; null: it is open yet. */
export function decide(each: readonly (boolean | null)[], require: Pool['require']): boolean | null {
  const decisive = require === 'any'
  if (each.includes(decisive)) return decisive
  return each.length > 0 && each.every(one => one === !decisive) ? !decisive : null
}

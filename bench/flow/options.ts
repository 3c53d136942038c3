import { parseArgs } from 'node:util'
import type { Rival } from './rivals/rival.ts'
import { RIVALS } from './rivals/rivals.ts'
import { ROWS, type Row } from './rows.ts'

export interface Options {
  readonly rounds: number
  /** Of one measurement; whole ones, since wrk takes no others. */
  readonly seconds: number
  readonly rows: readonly Row[]
  readonly rivals: readonly Rival[]
  readonly quick: boolean
  readonly autocannon: boolean
}

export const USAGE = `npm run bench -- [options]

  --rounds N       how often everything is measured (9)
  --seconds N      how long one measurement lasts (3)
  --quick          a look of about two minutes: 2 rounds of 1 second
  --rows A,B       of ${ROWS.map(({ name }) => name).join(', ')}
  --rivals A,B     of ${RIVALS.map(({ name }) => name).join(', ')}
  --autocannon     load by autocannon, also where wrk is installed
`

/** Options, or what is wrong with the arguments. `help` is wrong with them too: the usage is the answer to both. */
export function readOptions(args: readonly string[]): Options | string {
  const texts = { rounds: { type: 'string' }, seconds: { type: 'string' } } as const
  const lists = { rows: { type: 'string' }, rivals: { type: 'string' } } as const
  const flags = { quick: { type: 'boolean' }, autocannon: { type: 'boolean' }, help: { type: 'boolean' } } as const
  try {
    const { values } = parseArgs({ args: [...args], options: { ...texts, ...lists, ...flags } })
    if (values.help === true) return ''
    const quick = values.quick === true
    return {
      rounds: whole('rounds', values.rounds, quick ? 2 : 9),
      seconds: whole('seconds', values.seconds, quick ? 1 : 3),
      rows: chosen('row', values.rows, ROWS),
      rivals: chosen('rival', values.rivals, RIVALS),
      quick,
      autocannon: values.autocannon === true,
    }
  } catch (error) {
    return (error as Error).message
  }
}

function whole(name: string, text: string | undefined, usual: number): number {
  if (text === undefined) return usual
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new Error(`--${name} must be a whole number from 1 to 9999`)
  return Number(text)
}

function chosen<Named extends { name: string }>(what: string, text: string | undefined, all: readonly Named[]) {
  if (text === undefined) return all
  const names = text.split(',')
  const unknown = names.find(name => !all.some(one => one.name === name))
  if (unknown !== undefined) throw new Error(`there is no ${what} ${unknown}`)
  return all.filter(({ name }) => names.includes(name))
}

import { readFileSync } from 'node:fs'
import { EXIT } from './io.ts'
import { type AddCommand, withExamples } from './session.ts'

/** The version of this package; its manifest is two folders up, for the sources as for what is compiled from them. */
export function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return version
}

export const addVersion: AddCommand = (parent, { io, ends }) => {
  withExamples(parent.command('version'), 'version --json')
    .description('the version of this program')
    .option('--json', 'for scripts')
    .action(({ json }: { json?: boolean }) => {
      const version = ownVersion()
      const answer = JSON.stringify({ version, node: process.versions.node }, null, 2)
      io.out(json === true ? `${answer}\n` : `gatepool ${version}\n`)
      ends(EXIT.ok)
    })
}

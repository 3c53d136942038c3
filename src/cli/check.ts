import { EXIT } from './io.ts'
import { type AddCommand, withExamples } from './session.ts'

export const addCheck: AddCommand = (parent, { env, io, ends }) => {
  withExamples(parent.command('check'), 'check -c config/gatepool.yaml')
    .description('is a configuration file right? Every problem at its line, exit 1 if there is one')
    .requiredOption('-c, --config <file>', 'the configuration file')
    .option('--json', 'for scripts')
    .action(async ({ config, json }: { config: string; json?: boolean }) => {
      const { formatProblems, loadConfig } = await import('../config/load.ts')
      const loaded = loadConfig(config, env)
      const problems = loaded.kind === 'problems' ? loaded.problems : []
      io.out(json === true ? `${JSON.stringify(problems, null, 2)}\n` : formatProblems(problems))
      if (problems.length === 0) io.err(`${config} is right\n`)
      else io.err(`${config} has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}\n`)
      ends(problems.length === 0 ? EXIT.ok : EXIT.failure)
    })
}

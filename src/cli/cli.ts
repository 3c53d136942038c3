/**
 * The command line: reads the arguments, runs one command, answers with the exit status. Nothing here ends the process.
 */
import { Command, CommanderError } from 'commander'
import { addCheck } from './check.ts'
import { addEvents } from './events.ts'
import { addGateway } from './gateway.ts'
import { addHealth } from './health.ts'
import { type Environment, EXIT, type Io } from './io.ts'
import { addPool } from './pool.ts'
import { addSchema } from './schema.ts'
import { createSession } from './session.ts'
import { addStatus } from './status.ts'
import { addVersion, ownVersion } from './version.ts'

/** What needs the whole program, and comes from above; each answers with the exit status. */
export interface Actions {
  run(options: { readonly config: string }): Promise<number>
  demo(options: { readonly tour: boolean }): Promise<number>
}

/** Runs the command that `argv` (without node and script) asks for, and answers with the exit status of `io.ts`. */
export async function cli(argv: readonly string[], env: Environment, io: Io, actions: Actions): Promise<number> {
  let exit: number = EXIT.ok
  const ends = (status: number) => {
    exit = status
  }
  const program = new Command('gatepool')
    .description('a reverse proxy that sends traffic into pools of gateways and moves it when one of them dies')
    .version(`gatepool ${ownVersion()}`)
    .exitOverride()
    .configureOutput({
      writeOut: io.out,
      writeErr: io.err,
      getOutHasColors: () => io.color,
      getErrHasColors: () => false,
    })
    .showHelpAfterError('(gatepool --help tells what there is)')
    .addHelpText(
      'after',
      '\nGATEPOOL_URL says where the admin API is (http://127.0.0.1:9900), GATEPOOL_TOKEN or GATEPOOL_TOKEN_FILE who asks.',
    )

  program
    .command('run')
    .description('run the proxy')
    .requiredOption('-c, --config <file>', 'the configuration file')
    .action(async ({ config }: { config: string }) => ends(await actions.run({ config })))
  program
    .command('demo')
    .description('run the proxy with two small gateways, and tell what happens')
    .option('--tour', 'show a failover and the way back, then end')
    .action(async ({ tour = false }: { tour?: boolean }) => ends(await actions.demo({ tour })))
  const session = createSession(env, io, ends)
  for (const add of [addCheck, addSchema, addStatus, addPool, addGateway, addEvents, addHealth, addVersion]) {
    add(program, session)
  }

  try {
    await program.parseAsync(argv, { from: 'user' })
    return exit
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  }
}

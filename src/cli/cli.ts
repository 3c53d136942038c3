/**
 * The command line: reads the arguments, runs one command, answers with the exit status. Nothing here ends the process.
 */
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { addAudit } from './audit.ts'
import { addCheck } from './check.ts'
import { addCompletion } from './completion.ts'
import { addEvents } from './events.ts'
import { addGameDay } from './game-day.ts'
import { addGateway } from './gateway.ts'
import { addHealth } from './health.ts'
import { addHistory } from './history.ts'
import { type Environment, EXIT, type Io } from './io.ts'
import { addPresets, addSimulate } from './operations.ts'
import { addPool } from './pool.ts'
import { addReload } from './reload.ts'
import { addRoute } from './route.ts'
import { addSchema } from './schema.ts'
import { type AddCommand, createSession, type Session, withExamples } from './session.ts'
import { addSettings } from './settings.ts'
import { addStatus } from './status.ts'
import { addStore } from './store.ts'
import { addToken } from './token.ts'
import { addTransfer } from './transfer.ts'
import { addVersion, ownVersion } from './version.ts'
import { addWebhook } from './webhook.ts'

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
  try {
    await createProgram(createSession(env, io, ends), actions).parseAsync(argv, { from: 'user' })
    return exit
  } catch (error) {
    // Said by a command itself, after commander had taken its arguments.
    if (error instanceof InvalidArgumentError) io.err(`gatepool: ${error.message}\n`)
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  }
}

/** Every command, ready to be run once. */
export function createProgram(session: Session, actions: Actions): Command {
  const { io, ends } = session
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
    .addHelpText('after', ENVIRONMENT)

  withExamples(program.command('run'), 'run -c config/gatepool.yaml')
    .description('run the proxy')
    .requiredOption('-c, --config <file>', 'the configuration file')
    .action(async ({ config }: { config: string }) => ends(await actions.run({ config })))
  withExamples(program.command('demo'), 'demo --tour')
    .description('run the proxy with two small gateways, and tell what happens')
    .option('--tour', 'show a failover and the way back, then end')
    .action(async ({ tour = false }: { tour?: boolean }) => ends(await actions.demo({ tour })))
  for (const add of COMMANDS) add(program, session)
  return program
}

const ENVIRONMENT = `
GATEPOOL_URL says where the admin API is (http://127.0.0.1:9900), GATEPOOL_TOKEN or GATEPOOL_TOKEN_FILE who asks.
Exit status: 0 done, 1 failed or refused, 2 wrong usage, 3 not found or unhealthy, 4 not allowed, 5 unreachable.`

const COMMANDS: readonly AddCommand[] = [
  addCheck,
  addSchema,
  addStatus,
  addPool,
  addGateway,
  addRoute,
  addSettings,
  addHistory,
  addStore,
  addTransfer,
  addPresets,
  addSimulate,
  addGameDay,
  addEvents,
  addToken,
  addAudit,
  addWebhook,
  addReload,
  addHealth,
  addCompletion,
  addVersion,
]

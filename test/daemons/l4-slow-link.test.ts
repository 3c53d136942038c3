/** A UDP route whose clients are behind a link that is slower than what their upstream sends. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'tap'
import { without } from '../support/daemons.ts'
import { WITHOUT_TAP } from '../support/launch.ts'

const MIB = 1024 * 1024
const SCRIPT = join(import.meta.dirname, '../support/slow-link.ts')

/** A network with a slow link in it takes iproute2, a kernel that has it, and a right that not everybody has. */
function able(): string | false {
  const args = ['--net', 'tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'handle', '1:', 'htb']
  const { status, stderr, error } = spawnSync('unshare', args, { encoding: 'utf8' })
  return without(...(status === 0 ? [] : [`no slow link: ${error?.message ?? stderr.trim()}`]))
}

test('what a slow link cannot take is lost, and takes no memory', { skip: able() }, t => {
  const command = ['unshare', '--net', 'env', ...WITHOUT_TAP, process.execPath, SCRIPT] as const
  const [file, ...args] = command
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', timeout: 60_000, killSignal: 'SIGKILL' })
  t.equal(status, 0, stderr)
  const { sent, passed, lost } = JSON.parse(stdout)
  t.equal(passed + lost, sent, 'all of it is accounted for')
  t.ok(passed < 2 * MIB, `of ${sent} bytes ${passed} were sent on`)
  t.end()
})

/**
 * Loaded by a test into a gatepool process (`node --import`), and by nothing else: kills it with SIGKILL right before, or right after, the
 * n-th command that it gives its Redis. GATEPOOL_TEST_CRASH says which: `before 3`, `after 1`. Counting begins with SIGUSR2 and ends with
 * the next one; a line `{"kind":"armed"}`, or "disarmed", says that it has.
 *
 * It stands where all commands of the store pass, `sendCommand` of the client, so that gatepool itself needs no line for it: in production
 * there is nothing that could be switched on.
 */
import { writeSync } from 'node:fs'
import { Redis } from 'ioredis'

const [when, which] = (process.env.GATEPOOL_TEST_CRASH ?? '').split(' ')
let armed = false
let count = 0

const send = Redis.prototype.sendCommand
Redis.prototype.sendCommand = function (command, stream) {
  const meant = armed && ++count === Number(which)
  if (meant && when === 'before') die()
  // Before whoever asked: what Redis did is done, and nobody here knows it yet.
  const after = () => armed && die()
  if (meant) command.promise.then(after, after)
  return send.call(this, command, stream)
}

process.on('SIGUSR2', () => {
  armed = !armed
  writeSync(1, `{"kind":"${armed ? 'armed' : 'disarmed'}"}\n`)
})

function die(): void {
  process.kill(process.pid, 'SIGKILL')
}

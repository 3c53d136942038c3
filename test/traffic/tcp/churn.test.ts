/** Both ends of many connections do whatever ends may do, in any order; nothing of them is left in the middle. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'tap'
import { createDice, type Dice } from '../../support/dice.ts'
import { startL4, sum, tcpPool } from '../../support/l4.ts'
import { openSockets, until } from '../../support/raw-peer.ts'
import { seed } from '../../support/seed.ts'

const CONNECTIONS = 400
const AT_ONCE = 50

/** Sends, stalls, and in the end ends, resets or just closes. */
async function misbehave(socket: Socket, dice: Dice): Promise<void> {
  socket.on('error', () => undefined)
  socket.on('data', () => undefined)
  for (let left = dice.int(6); left > 0 && !socket.destroyed; left--) {
    const action = dice.int(4)
    if (action === 0) socket.pause()
    else if (action === 1) socket.resume()
    else if (socket.writable) socket.write(Buffer.alloc(dice.int(action === 2 ? 300_000 : 2_000)))
    await new Promise(resolve => (dice.maybe(0.5) ? setImmediate(resolve) : setTimeout(resolve, dice.int(5))))
  }
  socket.resume()
  switch (dice.int(4)) {
    case 0:
      socket.resetAndDestroy()
      return
    case 1:
      socket.destroy()
      return
    default:
      // Hears the other one out.
      socket.end(Buffer.alloc(dice.int(100_000)))
      socket.on('end', () => socket.end())
  }
}

test('ends, resets and stalls of both sides in any order: no connection is left', async t => {
  t.comment(`seed ${seed}`)
  const dice = createDice(seed)
  const server = createServer({ allowHalfOpen: true }, socket => void misbehave(socket, dice)).listen(0, '127.0.0.2')
  await once(server, 'listening')
  const before = openSockets()
  const l4 = await startL4(tcpPool(['a'], (server.address() as AddressInfo).port))
  const port = l4.port('tcp')
  let running = 0
  for (let i = 0; i < CONNECTIONS; i++) {
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    running++
    client.on('close', () => running--)
    void misbehave(client, dice)
    await until(() => running < AT_ONCE, 'others are over')
  }
  await until(() => l4.inFlight() === 0, 'nothing is in flight')
  await until(() => sum(l4.l4.numbers.connectionsActive()) === 0, 'nobody is connected')
  await until(() => openSockets() === before, 'every socket is closed')
  // One that is reset before it is looked at is none.
  const total = sum(l4.l4.numbers.connectionsTotal())
  t.ok(total > CONNECTIONS / 2 && total <= CONNECTIONS, `${total} connections`)
  server.close()
  await l4[Symbol.asyncDispose]()
})

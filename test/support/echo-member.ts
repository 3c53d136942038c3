/** A member that can be killed: `node echo-member.ts HOST PORT` echoes TCP and UDP there, and says its port. */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

const [host = '127.0.0.1', port = '0'] = process.argv.slice(2)
const datagrams = createSocket('udp4')
datagrams.on('message', (bytes, from) => datagrams.send(bytes, from.port, from.address))
datagrams.bind({ address: host, port: Number(port), exclusive: true }, () => {
  const bound = datagrams.address().port
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    socket.on('error', () => socket.destroy())
    socket.pipe(socket)
  })
  server.listen({ host, port: bound, backlog: 4096 }, () => console.log(bound))
})

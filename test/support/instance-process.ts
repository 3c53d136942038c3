/** One instance of a gateway, as a process: answers HTTP on 127.0.0.1 with its name, and beats with where it is. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const { INSTANCE: instance = '', BEATS: url = '', TOKEN: token = '', EVERY: every = '300' } = process.env

process.on('disconnect', () => process.exit())

const server = createServer((_, response) => {
  response.writeHead(200, { 'x-served-by': instance }).end('here\n')
})
server.listen({ host: '127.0.0.1', port: 0 }, () => {
  const { port } = server.address() as AddressInfo
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ instance, state: 'ready', address: '127.0.0.1', http_port: port })
  // A beat that is lost is followed by the next one.
  const beat = () => fetch(url, { method: 'POST', headers, body }).catch(() => undefined)
  void beat()
  setInterval(() => void beat(), Number(every))
})

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

/**
 * Ports of 127.0.0.1 that nobody listens on, each other than the rest. They lie below those that the kernel gives to outgoing connections: a
 * port that is to stay dead must not become the near end of somebody's connection, which could even connect to itself.
 */
export async function freePorts(count: number): Promise<number[]> {
  const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
  const below = Math.max(12_000, Number.parseInt(range, 10) || 32_768)
  const found = new Set<number>()
  for (let tries = 0; tries < 100 * count && found.size < count; tries++) {
    const port = 10_000 + Math.floor(Math.random() * (below - 10_000))
    if (await isFree(port)) found.add(port)
  }
  if (found.size < count) throw new Error('there are no free ports')
  return [...found]
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen({ host: '127.0.0.1', port, exclusive: true }), 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}

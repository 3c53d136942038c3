/**
 * The two ports of the demo on 127.0.0.1, and what to do about one that cannot be had.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Environment } from '../config/environment.ts'

const PORTS = [
  { variable: 'GATEPOOL_DEMO_PORT', usual: 8080 },
  { variable: 'GATEPOOL_DEMO_ADMIN_PORT', usual: 9900 },
] as const

/** Ports on 127.0.0.1; 0 is any free one. */
export interface Chosen {
  readonly kind: 'chosen'
  readonly proxy: number
  readonly admin: number
}

export type Ports =
  | Chosen
  /** In a line for people. */
  | { readonly kind: 'wrong'; readonly message: string }

/** The usual ports or those that the environment names. With `any` a port that is in use gives way to a free one (0). */
export async function choosePorts(env: Environment, { any }: { readonly any: boolean }): Promise<Ports> {
  const chosen: number[] = []
  for (const { variable, usual } of PORTS) {
    const written = env[variable] || String(usual)
    if (!/^\d{1,5}$/.test(written) || Number(written) > 65_535)
      return { kind: 'wrong', message: `${variable} must be a port, and ${JSON.stringify(written)} is none` }
    const port = Number(written)
    const obstacle = await obstacleAt(port)
    if (obstacle !== null && !any) {
      return { kind: 'wrong', message: `port ${port} ${obstacle}; set ${variable} to another one, 0 for any` }
    }
    chosen.push(obstacle === null ? port : 0)
  }
  const [proxy = 0, admin = 0] = chosen
  return { kind: 'chosen', proxy, admin }
}

/** Why nobody can listen at `port`, in words, or null. */
async function obstacleAt(port: number): Promise<string | null> {
  const server = createServer()
  try {
    await once(server.listen({ host: '127.0.0.1', port }), 'listening')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'EADDRINUSE' ? 'is in use' : `cannot be had (${code})`
  }
  server.close()
  await once(server, 'close')
  return null
}

/** Debian ships nginx's TCP and UDP as a module of its own. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fetched, type Program } from './debian.ts'

const MODULE = 'usr/lib/nginx/modules/ngx_stream_module.so'

/**
 * The line by which nginx learns TCP and UDP: none where that is built in, else one for the module, installed or fetched; null where it cannot
 * be had.
 */
export function streamModule({ path, env }: Program): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'gatepool-nginx-'))
  const file = join(folder, 'nginx.conf')
  const tried = (line: string): string | null => {
    writeFileSync(file, `${line}\npid ${folder}/pid;\nevents {}\nstream {}\n`)
    const args = ['-t', '-e', 'stderr', '-p', folder, '-c', file]
    return spawnSync(path, args, { env: { ...process.env, ...env }, stdio: 'ignore' }).status === 0 ? line : null
  }
  try {
    return (
      tried('') ??
      tried(`load_module /${MODULE};`) ??
      tried(`load_module ${join(fetched(['libnginx-mod-stream']), MODULE)};`)
    )
  } catch {
    return null
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type Daemon, startDaemon } from './daemons.ts'
import { findProgram } from './debian.ts'
import { folder } from './launch.ts'

export const nginx = findProgram(['nginx'], ['nginx'])

/** nginx as one process. `conf` is of the block `http`, or of the block `stream`, for which `module` has the line that loads it. */
export function startNginx(
  t: Test,
  at: { readonly host: string; readonly port: number },
  conf: { readonly http: string } | { readonly stream: string; readonly module: string },
): Promise<Daemon> {
  const home = folder(t)
  const file = join(home, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(of => `${of}_temp_path ${home};`).join(' ')
  const main = `daemon off; master_process off; pid ${home}/pid; events {}`
  const whole =
    'http' in conf
      ? `${main} http { access_log off; ${temporary} ${conf.http} }`
      : `${conf.module} ${main} stream { ${conf.stream} }`
  writeFileSync(file, `${whole}\n`)
  return startDaemon(t, nginx, ['-e', 'stderr', '-p', home, '-c', file], at)
}

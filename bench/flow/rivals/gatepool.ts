import { spawnSync } from 'node:child_process'
import { copyFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import manifest from '../../../package.json' with { type: 'json' }
import { HTTP_FRONTS, type Place, type Rival } from './rival.ts'

const ROOT = join(import.meta.dirname, '../../..')

/** Compiled, as it is installed: the compiler that runs the sources would add to its memory. All settings are the usual ones. */
export const gatepool: Rival = {
  name: 'gatepool',
  fronts: [...HTTP_FRONTS, 'tcp', 'udp'],
  version: () => `gatepool ${manifest.version}, Node ${process.versions.node}`,
  prepare(place) {
    const file = join(place.folder, 'gatepool.yaml')
    writeFileSync(file, written(place))
    return {
      file: process.execPath,
      args: [compile(place.folder), 'run', '-c', file],
      env: { NODE_ENV: 'production' },
    }
  },
}

/** The program, compiled into `folder` and laid out there as a package. Wrong types are not looked for. */
function compile(folder: string): string {
  const compiler = join(ROOT, 'node_modules/.bin/tsc')
  const { error } = spawnSync(compiler, ['-p', join(ROOT, 'src'), '--outDir', join(folder, 'dist')], {
    timeout: 60_000,
  })
  if (error !== undefined) throw error
  copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return join(folder, 'dist/main.js')
}

const written = ({ folder, ports, spare, upstream, dead, connections }: Place) => `version: 1
cluster: bench
store: { kind: embedded, path: ${JSON.stringify(join(folder, 'gatepool.db'))} }
admin: { listen: 127.0.0.1:${spare} }
logging: { level: error }
listeners:
  - { name: single, protocol: http, listen: 127.0.0.1:${ports.single}, limits: { max_connections: ${connections} } }
  - { name: pair, protocol: http, listen: 127.0.0.1:${ports.pair}, limits: { max_connections: ${connections} } }
gateways:
  - { name: dead, address: 127.0.0.1, http_port: ${dead} }
  - { name: alive, address: 127.0.0.1, http_port: ${upstream} }
pools:
  - { name: single, members: [alive] }
  - { name: pair, mode: load_balancing, members: [dead, alive] }
routes:
  - { name: single, listener: single, target: { pool: single } }
  - { name: pair, listener: pair, target: { pool: pair } }
  - { name: tcp, protocol: tcp, listen: 127.0.0.1:${ports.tcp}, gateway_port: ${upstream}, target: { pool: single } }
  - { name: udp, protocol: udp, listen: 127.0.0.1:${ports.udp}, gateway_port: ${upstream}, target: { pool: single } }
`

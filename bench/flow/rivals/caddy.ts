import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstLine } from '../processes.ts'
import { HTTP_FRONTS, type Place, type Rival } from './rival.ts'

/** Pinned to one core, or told so: Go would start a thread for each. */
export const caddy: Rival = {
  name: 'caddy',
  fronts: HTTP_FRONTS,
  version: () => {
    const version = firstLine('caddy', 'version')
    return version === null ? null : `Caddy ${version}`
  },
  prepare(place) {
    const file = join(place.folder, 'Caddyfile')
    writeFileSync(file, written(place))
    return {
      file: 'caddy',
      args: ['run', '--adapter', 'caddyfile', '--config', file],
      env: { GOMAXPROCS: '1', XDG_DATA_HOME: place.folder, XDG_CONFIG_HOME: place.folder, HOME: place.folder },
    }
  },
}

const written = ({ ports: { single, pair }, upstream, dead }: Place) => `{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
http://:${single} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${upstream}
}
http://:${pair} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${dead} 127.0.0.1:${upstream} {
    lb_policy round_robin
    lb_try_duration 5s
    fail_duration 30s
    max_fails 3
  }
}
`

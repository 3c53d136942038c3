import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstLine } from '../processes.ts'
import { HTTP_FRONTS, type Place, type Rival } from './rival.ts'

/** What all others are compared with. */
export const haproxy: Rival = {
  name: 'haproxy',
  fronts: [...HTTP_FRONTS, 'tcp'],
  version: () => firstLine('haproxy', '-v'),
  prepare(place) {
    const file = join(place.folder, 'haproxy.cfg')
    writeFileSync(file, written(place))
    return { file: 'haproxy', args: ['-db', '-f', file] }
  },
}

// `http-reuse always`: with the usual `safe` each new client opens a new upstream connection too, which none of the others do.
const written = ({ ports, upstream, dead, connections }: Place) => `global
  nbthread 1
  maxconn ${connections}
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  option forwardfor
  option redispatch 1
  retries 3
  http-reuse always
frontend single
  bind 127.0.0.1:${ports.single}
  default_backend single
frontend pair
  bind 127.0.0.1:${ports.pair}
  default_backend pair
backend single
  server alive 127.0.0.1:${upstream}
backend pair
  balance roundrobin
  server dead 127.0.0.1:${dead} check inter 2s
  server alive 127.0.0.1:${upstream} check inter 2s
defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
listen tcp
  bind 127.0.0.1:${ports.tcp}
  server alive 127.0.0.1:${upstream}
`

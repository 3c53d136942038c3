import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { streamModule } from '../../../test/support/nginx-stream.ts'
import { firstLine } from '../processes.ts'
import { HTTP_FRONTS, type Place, type Rival } from './rival.ts'

export const nginx: Rival = {
  name: 'nginx',
  fronts: [...HTTP_FRONTS, 'tcp', 'udp'],
  version: () => firstLine('nginx', '-v'),
  prepare(place) {
    const file = join(place.folder, 'nginx.conf')
    // Without it the rows of TCP and UDP say that nobody listens.
    const module = streamModule({ path: 'nginx', env: {} })
    writeFileSync(file, module === null ? written(place) : [module, written(place), stream(place)].join('\n'))
    return { file: 'nginx', args: ['-e', 'stderr', '-p', place.folder, '-c', file] }
  },
}

const stream = ({ ports, upstream }: Place) => `stream {
  proxy_connect_timeout 2s;
  upstream single { server 127.0.0.1:${upstream}; }
  server { listen 127.0.0.1:${ports.tcp}; proxy_pass single; proxy_timeout 1h; }
  server { listen 127.0.0.1:${ports.udp} udp; proxy_pass single; proxy_timeout 60s; }
}
`

// No temporary files, so that bodies stream; buffers large enough that this costs it nothing. Its usual limit of 1,000 requests on a
// connection is lifted, since none of the others has one.
const written = ({ folder, ports, upstream, dead, connections }: Place) => `daemon off;
master_process off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections ${2 * connections}; }
http {
  access_log off;
  client_body_temp_path ${folder};
  proxy_temp_path ${folder};
  fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder};
  scgi_temp_path ${folder};
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_buffer_size 64k;
  proxy_http_version 1.1;
  proxy_request_buffering off;
  proxy_max_temp_file_size 0;
  proxy_buffers 16 32k;
  proxy_busy_buffers_size 64k;
  proxy_connect_timeout 2s;
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $upgrade_connection;
  map $http_upgrade $upgrade_connection { default upgrade; '' ''; }
  upstream single {
    server 127.0.0.1:${upstream};
    keepalive 128;
    keepalive_requests 1000000000;
  }
  upstream pair {
    server 127.0.0.1:${dead} max_fails=3 fail_timeout=30s;
    server 127.0.0.1:${upstream} max_fails=3 fail_timeout=30s;
    keepalive 128;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${ports.single};
    location / { proxy_pass http://single; }
  }
  server {
    listen 127.0.0.1:${ports.pair};
    location / { proxy_pass http://pair; }
  }
}
`

/**
 * Where Redis is, in one line:
 *
 *   redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]             one server; rediss:// for TLS
 *   redis://[USER:PASSWORD@]/PATH/OF/SOCKET[?db=DATABASE]      one server, by its Unix socket
 *   redis+sentinel://[USER:PASSWORD@]HOST[:PORT],…/MASTER[/DATABASE][?tls=1]
 *   redis+cluster://[USER:PASSWORD@]HOST[:PORT],…[?tls=1]
 *
 * Name and password are percent-encoded (RFC 3986 section 3.2.1); `PASSWORD@` alone, or `:PASSWORD@`, is a password without a name. What
 * TLS needs beside it is in `store.tls`.
 */
import { type Refusal, refuse } from '../../errors.ts'

export interface Place {
  readonly host: string
  readonly port: number
}

export type Address = {
  readonly username?: string
  readonly password?: string
  readonly db: number
  readonly tls: boolean
} & (
  | { readonly kind: 'server'; readonly at: Place }
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'sentinel'; readonly sentinels: readonly Place[]; readonly master: string }
  | { readonly kind: 'cluster'; readonly nodes: readonly Place[] }
)

const URL = /^(redis|rediss|redis\+sentinel|redis\+cluster):\/\/(?:([^@/?#]*)@)?([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/
const SENTINEL_PORT = 26_379
const SERVER_PORT = 6_379

/** Reads `url`; what is wrong with it is said without its password. */
export function readAddress(url: string): Address | Refusal {
  const parts = URL.exec(url)
  if (parts === null) return no('it has not the form redis://host:port')
  const [, scheme = '', userinfo, hosts = '', path = '', query = ''] = parts
  const asked = new URLSearchParams(query)
  const unknown = [...asked.keys()].find(key => key !== 'db' && key !== 'tls')
  if (unknown !== undefined) return no(`there is no setting ${unknown}; there are db and tls`)
  const user = credentials(userinfo)
  if (user === null) return no('its name or password is not percent-encoded')
  const tls = scheme === 'rediss' || asked.get('tls') === '1'
  const [first = '', second] = path.slice(1).split('/')
  const inPath = scheme === 'redis+sentinel' ? second : scheme === 'redis+cluster' || hosts === '' ? undefined : first
  const db = databaseOf(inPath || asked.get('db'))
  if (db === null) return no('its database is not a number')
  const common = { ...user, db, tls }
  if (hosts === '') {
    if (scheme !== 'redis' || path.length < 2) return no('it names no host')
    return { ...common, kind: 'socket', path: decodeURIComponent(path) }
  }
  const places = hosts.split(',').map(text => placeOf(text, scheme === 'redis+sentinel' ? SENTINEL_PORT : SERVER_PORT))
  const [at] = places
  if (places.some(place => place === null) || !at) return no('a host or port of it is malformed')
  const all = places.flatMap(place => place ?? [])
  if (scheme === 'redis+sentinel') {
    if (first === '') return no('it names no master: redis+sentinel://host:port/MASTER')
    return { ...common, kind: 'sentinel', sentinels: all, master: first }
  }
  if (scheme === 'redis+cluster') {
    if (db !== 0 || first !== '') return no('a Redis Cluster has one database')
    return { ...common, kind: 'cluster', nodes: all }
  }
  return places.length === 1 ? { ...common, kind: 'server', at } : no('it names several hosts')
}

const no = (what: string): Refusal => refuse('config_rejected', `store.url: ${what}`)

function credentials(text: string | undefined): Pick<Address, 'username' | 'password'> | null {
  if (text === undefined || text === '') return {}
  const colon = text.indexOf(':')
  try {
    const username = decodeURIComponent(colon < 0 ? '' : text.slice(0, colon))
    const password = decodeURIComponent(text.slice(colon + 1))
    return username === '' ? { password } : { username, password }
  } catch {
    return null
  }
}

function databaseOf(text: string | null | undefined): number | null {
  if (text === undefined || text === null) return 0
  return /^\d{1,5}$/.test(text) ? Number(text) : null
}

/** `host`, `host:port`, `[::1]:port`. */
function placeOf(text: string, port: number): Place | null {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(text)
  if (parts === null) return null
  const [, six, host = six, given] = parts
  const number = given === undefined ? port : Number(given)
  return host === undefined || number < 1 || number > 65_535 ? null : { host, port: number }
}

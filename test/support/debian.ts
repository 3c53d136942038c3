/**
 * Programs of Debian's for tests and the bench: what is installed, or else its packages unpacked into node_modules/.cache, which takes neither
 * an installation nor its rights.
 */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const CACHE = join(import.meta.dirname, '../../node_modules/.cache/debian')
/** Where Debian puts programs, those of administrators too, whom PATH may not know. */
const PLACES = ['usr/local/bin', 'usr/bin', 'bin', 'usr/local/sbin', 'usr/sbin', 'sbin']
const POSTGRESQL = 'usr/lib/postgresql'

export interface Program {
  readonly path: string
  /** What it is to be started with, before anything else. */
  readonly args?: readonly string[]
  /** Its libraries, where they were fetched with it. */
  readonly env: Readonly<Record<string, string>>
}

/** The first of `names` that is installed, or the first one out of `packages`, or why there is none. */
export function findProgram(names: readonly string[], packages: readonly string[]): Program | string {
  const installed = find(names, [...(process.env.PATH ?? '').split(delimiter), ...placesIn('/')])
  if (installed !== undefined) return { path: installed, env: {} }
  try {
    const root = fetched(packages)
    const path = find(names, placesIn(root))
    if (path === undefined) throw new Error(`${packages} has no ${names}`)
    const libraries = ['usr/lib', 'lib'].map(place => join(root, place, `${machine()}-linux-gnu`))
    const env = { LD_LIBRARY_PATH: libraries.join(delimiter) }
    const missing = /^.* => not found$/m.exec(run('ldd', [path], { env }))
    if (missing !== null) throw new Error(missing[0].trim())
    return { path, env }
  } catch (error) {
    return `no ${names[0]} on PATH, and it cannot be fetched: ${reason(error)}`
  }
}

/** Where the shared library `name` (`faketime/libfaketime.so.1`) of `packages` is, or why there is none. */
export function findLibrary(name: string, packages: readonly string[]): Program | string {
  const place = join('usr/lib', `${machine()}-linux-gnu`, name)
  const installed = join('/', place)
  if (existsSync(installed)) return { path: installed, env: {} }
  try {
    const path = join(fetched(packages), place)
    return existsSync(path) ? { path, env: {} } : `${packages} has no ${place}`
  } catch (error) {
    return `no ${installed}, and it cannot be fetched: ${reason(error)}`
  }
}

/** Of PostgreSQL Debian keeps several versions side by side. */
function placesIn(root: string): string[] {
  const versions = existsSync(join(root, POSTGRESQL)) ? readdirSync(join(root, POSTGRESQL)) : []
  return [...PLACES, ...versions.map(version => join(POSTGRESQL, version, 'bin'))].map(place => join(root, place))
}

function find(names: readonly string[], folders: readonly string[]): string | undefined {
  for (const name of names)
    for (const folder of folders) {
      const path = join(folder, name)
      try {
        accessSync(path, constants.X_OK)
        return path
      } catch {}
    }
  return undefined
}

/** A folder with the files of `packages` and of everything they need that is not installed. Throws where that cannot be had. */
export function fetched(packages: readonly string[]): string {
  const folder = join(CACHE, packages[0] ?? '')
  if (existsSync(folder)) return folder
  const fresh = `${folder}-${process.pid}`
  mkdirSync(fresh, { recursive: true })
  try {
    const download = () => run('apt-get', ['download', '-qq', ...needed(packages)], { cwd: fresh })
    try {
      download()
    } catch {
      // A new machine may not know yet what there is.
      run('apt-get', ['update', '-qq'])
      download()
    }
    for (const name of readdirSync(fresh).filter(name => name.endsWith('.deb'))) {
      run('dpkg', ['-x', join(fresh, name), fresh])
      rmSync(join(fresh, name))
    }
    if (!existsSync(folder)) renameSync(fresh, folder)
    return folder
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

/** `packages`, and what an installation of them would bring along. */
function needed(packages: readonly string[]): string[] {
  const said = run('apt-get', ['install', '--simulate', '-qq', '--no-install-recommends', ...packages])
  const others = [...said.matchAll(/^Inst (\S+)/gm)].map(([, name = '']) => name)
  return [...new Set([...packages, ...others])]
}

function run(file: string, args: readonly string[], options: { readonly cwd?: string; readonly env?: object } = {}) {
  const env = { ...process.env, ...options.env }
  return execFileSync(file, args, { ...options, env, stdio: ['ignore', 'pipe', 'ignore'], timeout: 120_000 }).toString()
}

const reason = (error: unknown) => (error instanceof Error ? error.message.split('\n')[0] : String(error))

const machine = () => ({ x64: 'x86_64', arm64: 'aarch64' })[process.arch as string] ?? process.arch

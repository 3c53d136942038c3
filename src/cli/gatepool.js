#!/usr/bin/env node
// The `gatepool` command. Plain JavaScript that any Node can run: it finds a Node that is new enough and hands over to it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const NEEDED = { major: 24, minor: 15 }

/** @param {string} version */
function fits(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > NEEDED.major || (major === NEEDED.major && minor >= NEEDED.minor)
}

/** The program: its sources in a checkout, compiled in an installed package (Node strips no types inside node_modules). */
function findMain() {
  const here = dirname(fileURLToPath(import.meta.url))
  return [join(here, '../main.ts'), join(here, '../../dist/main.js')].find(file => existsSync(file))
}

/** The Node that the npm package `node` brings, beside gatepool. */
function findNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve('node/package.json')
    const { version, bin } = createRequire(manifest)(manifest)
    const binary = join(dirname(manifest), bin.node)
    return fits(version) && existsSync(binary) ? binary : undefined
  } catch {
    return undefined
  }
}

/** @param {string} words */
function giveUp(words) {
  console.error(`gatepool: ${words}`)
  process.exitCode = 1
}

/**
 * Runs `main` under another Node: signals go through, and its end is ours.
 * @param {string} node
 * @param {string} main
 */
function runUnder(node, main) {
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
  const forward = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'])
  /** @param {NodeJS.Signals} signal */
  const pass = signal => void child.kill(signal)
  for (const signal of forward) process.on(signal, pass)
  child.on('error', error => giveUp(`cannot start ${node}: ${error.message}`))
  child.on('exit', (code, signal) => {
    for (const name of forward) process.off(name, pass)
    if (signal === null) {
      process.exitCode = code ?? 1
      return
    }
    // What a shell reports for a program that a signal ended, in case the signal does not end us.
    process.exitCode = 128 + constants.signals[signal]
    process.kill(process.pid, signal)
  })
}

const main = findMain()
const node = fits(process.versions.node) ? process.execPath : findNode()
if (main === undefined)
  giveUp('the program is missing; in a checkout run `npm run build`, else install the package again')
else if (node === undefined) {
  giveUp(
    `Node ${NEEDED.major}.${NEEDED.minor} or newer is needed and this is ${process.versions.node}; ` +
      'in a checkout run `npm ci`, else install a newer Node or the npm package `node` beside gatepool',
  )
} else if (node === process.execPath) {
  process.argv[1] = main
  await import(pathToFileURL(main).href)
} else runUnder(node, main)

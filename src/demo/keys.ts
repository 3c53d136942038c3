/**
 * Single keys from the terminal, where there is one and it is ours.
 */
import { execFileSync } from 'node:child_process'

/** Control-C: in raw mode it comes as a key and not as a signal. */
export const CONTROL_C = '\x03'

/** Calls `onKey` with each key until it is disposed; null where no keys can be read. */
export function readKeys(onKey: (key: string) => void): Disposable | null {
  const { stdin } = process
  if (!stdin.isTTY || !inForeground()) return null
  const onData = (keys: Buffer) => {
    for (const key of keys.toString()) onKey(key)
  }
  stdin.setRawMode(true).on('data', onData)
  return {
    [Symbol.dispose]() {
      stdin.off('data', onData).setRawMode(false).pause()
    },
  }
}

/** A process in the background (`npm start &`) is stopped by the system when it touches the terminal's settings. */
function inForeground(): boolean {
  try {
    return execFileSync('ps', ['-o', 'stat=', '-p', String(process.pid)], { encoding: 'utf8' }).includes('+')
  } catch {
    return false
  }
}

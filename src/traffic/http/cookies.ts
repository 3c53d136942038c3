import { fieldValues } from './connection.ts'

/**
 * The value of the first cookie `name` in the checked field lines `text[from, to)`; null: there is none. Names are compared as they are,
 * and values are as they came, in quotes or not (RFC 6265 section 5.2 knows none).
 */
export function readCookie(text: string, from: number, to: number, name: string): string | null {
  for (const line of fieldValues(text, from, to, 'cookie')) {
    for (const pair of line.split(';')) {
      const at = pair.indexOf('=')
      if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim()
    }
  }
  return null
}

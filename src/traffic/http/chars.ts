/**
 * Byte classes of the HTTP/1.1 grammar. The readers look a byte up in a table instead of comparing it with ranges: one load per byte
 * is what keeps a strict check as cheap as no check.
 */

export const TAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
export const DOUBLE_QUOTE = 0x22
export const COMMA = 0x2c
export const DASH = 0x2d
export const SLASH = 0x2f
export const DIGIT_0 = 0x30
export const COLON = 0x3a
export const SEMICOLON = 0x3b
export const EQUALS = 0x3d
export const BACKSLASH = 0x5c
export const UNDERSCORE = 0x5f

function table(classOf: (byte: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => classOf(byte))
}

/** tchar (RFC 9110 5.6.2). */
export const TOKEN = table(byte => (/[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(byte)) ? 1 : 0))

/** What a field value may hold (RFC 9110 5.5): visible ASCII, obs-text, space and tab. */
export const VALUE = table(byte => (byte === TAB || (byte >= SPACE && byte !== 0x7f) ? 1 : 0))

/**
 * What a request target may hold: visible ASCII without `#`, for a fragment is never sent and servers disagree about one that is.
 * A dot or a percent sign, which may be part of a dot segment: 2; the question mark: 3; any other: 1.
 */
export const TARGET = table(byte => {
  if (byte === 0x3f) return 3
  if (byte === 0x2e || byte === 0x25) return 2
  return byte > SPACE && byte < 0x7f && byte !== 0x23 ? 1 : 0
})

/** The value of a hexadecimal digit; 16 for any other byte. */
export const HEX = table(byte => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase())
  return digit === -1 ? 16 : digit
})

/**
 * Whether `bytes[from, to)`, which holds no control bytes, is `text` in any case. `text` holds letters in lower case, digits and dashes
 * only: for those setting one bit is the same as folding the case.
 */
export function isText(bytes: Buffer, from: number, to: number, text: Uint8Array): boolean {
  if (to - from !== text.length) return false
  for (let i = 0; i < text.length; i++) {
    if (((bytes[from + i] as number) | 0x20) !== text[i]) return false
  }
  return true
}

/** The number that `bytes[from, to)` spells; -1 when it is not 1*DIGIT or is over 2^53-1. */
export function decimal(bytes: Buffer, from: number, to: number): number {
  if (from === to) return -1
  let value = 0
  for (let i = from; i < to; i++) {
    const digit = (bytes[i] as number) - DIGIT_0
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
    if (value > Number.MAX_SAFE_INTEGER) return -1
  }
  return value
}

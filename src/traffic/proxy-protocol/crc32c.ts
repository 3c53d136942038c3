/** The Castagnoli polynomial (RFC 9260 appendix A), bits reversed. */
const POLYNOMIAL = 0x82f63b78

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL
  return crc
})

/** CRC32C of `bytes[from, to)` as an unsigned number, with the four bytes at `blank` taken for zeros: where the sum itself stands. */
export function crc32c(bytes: Uint8Array, from: number, to: number, blank = -1): number {
  let crc = 0xffffffff
  for (let i = from; i < to; i++) {
    const byte = i >= blank && i < blank + 4 && blank >= 0 ? 0 : (bytes[i] as number)
    crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] as number)
  }
  return (crc ^ 0xffffffff) >>> 0
}

/** Fatal TLS alerts that end a connection before anything was agreed (RFC 8446 section 6.2), as the records that they are. */
function fatal(description: number): Buffer {
  return Buffer.from([21, 3, 3, 0, 2, 2, description])
}

export const alerts = {
  /** What the client asks for by name is not here (RFC 6066 section 3). */
  unrecognized_name: fatal(112),
  /** What came is no ClientHello. */
  decode_error: fatal(50),
  /** Nobody is left to serve. */
  internal_error: fatal(80),
} as const

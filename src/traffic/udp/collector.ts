/** Sessions whose end makes it worth the collector's while. */
const SESSIONS = 4_096
/** Bytes outside of its heap after whose making V8 starts to collect. */
const PRESSURE = 64 * 1024 * 1024

let over = 0

/**
 * To be called when a session is over that nobody has answered. Its socket leaves objects behind that were alive too long to be collected with the young ones, and the
 * collector lets the old ones become several times what is in use: a flood would grow the process by hundreds of MiB. Memory that nobody
 * touches takes none, and makes the collector come in time.
 */
export function unansweredIsOver(): void {
  if (++over % SESSIONS === 0) new ArrayBuffer(PRESSURE)
}

/**
 * Follows the frames of a WebSocket (RFC 6455 5.2) in one direction, to know where a frame of our own may stand between two of them. It
 * looks at a few bytes of each frame and steps over the rest.
 */

const CLOSE = 8
const MASKED = 0x80

export class WebSocketFrames {
  /** A close frame has begun: nothing may follow it. */
  closing = false

  /** Bytes of the header that were read, and how many it has as far as is known. */
  #read = 0
  #size = 2
  /** Where in the header the length ends that is not in its second byte. */
  #lengthEnd = 2
  #length = 0
  /** Bytes of the frame behind its header that are still to come. */
  #left = 0

  /** Between two frames, or before the first. */
  get isBetween(): boolean {
    return this.#read === 0 && this.#left === 0
  }

  /** Goes over `bytes[from, to)`, with `stop` only up to the first place that is between two frames, and answers how far it came. */
  follow(bytes: Buffer, from: number, to: number, stop: boolean): number {
    let i = from
    while (i < to && !(stop && this.isBetween)) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, to - i)
        this.#left -= step
        i += step
      } else this.#readHeader(bytes[i++] as number)
    }
    return i
  }

  #readHeader(byte: number): void {
    this.#read++
    if (this.#read === 1) {
      if ((byte & 0x0f) === CLOSE) this.closing = true
      return
    }
    if (this.#read === 2) {
      const said = byte & ~MASKED
      this.#lengthEnd = 2 + (said === 126 ? 2 : said === 127 ? 8 : 0)
      this.#size = this.#lengthEnd + ((byte & MASKED) === 0 ? 0 : 4)
      this.#length = said < 126 ? said : 0
    } else if (this.#read <= this.#lengthEnd) this.#length = this.#length * 256 + byte
    if (this.#read < this.#size) return
    this.#read = 0
    this.#left = this.#length
  }
}

/** What a server sends to close with this code (RFC 6455 5.5.1): not masked, without a reason. */
export function closeFrame(code: number): Buffer {
  return Buffer.from([0x80 | CLOSE, 2, code >> 8, code & 0xff])
}

/** The server restarts, or its place is taken by another: come again (IANA, WebSocket Close Code Number Registry). */
export const SERVICE_RESTART = 1012

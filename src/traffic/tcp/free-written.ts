import type { Socket } from 'node:net'
import { SMALL_PART } from '../pour.ts'

/**
 * Frees a chunk of a client's stream that has been written and is needed no more. The collector sees a small object and comes late for the
 * memory behind it: left to it, uploads cost twice the processor time.
 */
export function freeWritten({ buffer, length }: Buffer, { writableLength }: Socket): void {
  if (writableLength === 0 && length > SMALL_PART && buffer instanceof ArrayBuffer && buffer.byteLength === length)
    buffer.transfer(0)
}

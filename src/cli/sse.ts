/**
 * Reads server-sent events (WHATWG HTML section 9.2), as far as our own server sends them.
 */
export interface SentEvent {
  readonly id: string
  /** Its kind. */
  readonly event: string
  readonly data: string
}

/** Characters of one event; a longer one is not ours. */
const MOST_EVENT = 8 * 2 ** 20

/** The events of a stream; signs of life and advice are left out. Throws when the stream breaks, or is none. */
export async function* sentEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SentEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = blocks.pop() ?? ''
    if (rest.length > MOST_EVENT) throw new Error('an event has no end')
    for (const block of blocks) {
      const event = parse(block)
      if (event !== null) yield event
    }
  }
}

function parse(block: string): SentEvent | null {
  const fields = new Map<string, string>()
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ''))
  }
  const data = fields.get('data')
  return data === undefined ? null : { id: fields.get('id') ?? '', event: fields.get('event') ?? '', data }
}

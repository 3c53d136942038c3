/**
 * The whole proxy against the parsers of its upstreams: random conversations over real sockets, after which as many requests must have
 * reached each upstream as the proxy counted. One more would be a smuggled one.
 */
import { createDice, type Dice } from '../support/dice.ts'
import { type Engine, startPool } from '../support/engine.ts'
import { RawPeer, until } from '../support/raw-peer.ts'
import { damaged, randomCuts, randomRequest } from './messages.ts'
import { type CountingUpstream, MARK } from './upstreams.ts'

/** Conversations at once. */
const AT_ONCE = 32
/** Conversations after which counts are compared. */
const ROUND = 256

/** Bytes of one client connection, in the pieces in which they are sent. */
interface Conversation {
  readonly seed: number
  readonly messages: number
  readonly pieces: readonly string[]
}

export interface Counts {
  readonly upstream: string
  /** Messages that were sent, whatever became of them. */
  messages: number
  /** Requests that the upstream found whole. */
  whole: number
  /** Requests that we counted as answered by it. */
  counted: number
}

export class Through implements AsyncDisposable {
  readonly counts: Counts
  readonly #engine: Engine
  readonly #upstream: CountingUpstream
  /** What the upstream had seen before. */
  readonly #wholeBefore: number
  /** Seeds of conversations whose connection was not closed. */
  #leftOpen: number[] = []

  private constructor(engine: Engine, upstream: CountingUpstream) {
    this.#engine = engine
    this.#upstream = upstream
    this.counts = { upstream: upstream.name, messages: 0, whole: 0, counted: 0 }
    this.#wholeBefore = upstream.whole
  }

  static async to(upstream: CountingUpstream): Promise<Through> {
    return new Through(await startPool([upstream.port]), upstream)
  }

  /** Sends at least so many messages. Words: what went wrong, and the seed of the conversation that did it. */
  async run(messages: number, seed: number): Promise<string | null> {
    for (let next = seed, left = messages; left > 0; ) {
      const round: Conversation[] = []
      for (; round.length < ROUND && left > 0; next++) {
        const conversation = randomConversation(next | 0)
        left -= conversation.messages
        round.push(conversation)
      }
      const together = await this.#hold(round)
      if (together === null) continue
      return (
        (await this.#blame(round)) ??
        `${together}\nby ${round.length} conversations from seed ${round[0]?.seed}, but by none of them alone`
      )
    }
    return null
  }

  /** Finds the conversation that did it, each in front of a proxy of its own: what runs on would be held against the next one. */
  async #blame(round: readonly Conversation[]): Promise<string | null> {
    for (const conversation of round) {
      await using alone = await Through.to(this.#upstream)
      const words = await alone.#hold([conversation])
      if (words === null) continue
      const { pieces, seed } = conversation
      return `${words}\nby ${JSON.stringify(pieces)}; again: node test/fuzz/http.ts --messages 0 --through 1 --seed ${seed}`
    }
    return null
  }

  /** Sends conversations and compares the counts. */
  async #hold(conversations: readonly Conversation[]): Promise<string | null> {
    const waiting = [...conversations]
    let marks = 0
    const worker = async () => {
      for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
        const seen = await this.#send(one)
        marks += seen
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    const rests = await until(() => this.#engine.inFlight() === 0, 'nothing runs').then(
      () => true,
      () => false,
    )
    const { counts } = this
    const leftOpen = this.#leftOpen
    this.#leftOpen = []
    const before = { ...counts }
    counts.messages += conversations.reduce((sum, { messages }) => sum + messages, 0)
    counts.whole = this.#upstream.whole - this.#wholeBefore
    counts.counted = this.#engine.counted('2xx')
    const { unreadable } = this.#upstream
    const found = {
      whole: counts.whole - before.whole,
      counted: counts.counted - before.counted,
      answered: marks,
      leftOpen,
      rests,
    }
    const same = found.whole === found.counted && found.answered === found.counted
    if (same && rests && leftOpen.length === 0 && unreadable.length === 0) return null
    return `${this.#upstream.name}: ${JSON.stringify(found)} ${unreadable.join(', ')}`
  }

  /** Answers how many answers of the upstream came back. */
  async #send({ pieces, seed }: Conversation): Promise<number> {
    const client = await RawPeer.to(this.#engine.port)
    for (const piece of pieces) {
      if (!client.socket.writable) break
      client.send(piece)
      await new Promise(resolve => setImmediate(resolve))
    }
    client.end()
    await client.ended().catch(() => this.#leftOpen.push(seed))
    const marks = client.received.toLowerCase().split(MARK).length - 1
    client.close()
    return marks
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine[Symbol.asyncDispose]()
  }
}

function randomConversation(seed: number): Conversation {
  const dice = createDice(seed)
  const messages = 1 + dice.int(4)
  const text = Array.from({ length: messages }, () => randomMessage(dice)).join('')
  const ends = [...randomCuts(dice, text.length), text.length]
  return { seed, messages, pieces: ends.map((to, i) => text.slice(ends[i - 1] ?? 0, to)).filter(piece => piece !== '') }
}

/** Most are left whole, or a conversation would rarely get beyond its first message. */
function randomMessage(dice: Dice): string {
  const raw = randomRequest(dice)
  return dice.maybe(0.6) ? raw : damaged(dice, raw)
}

/** The texts that Redis keeps of beats and of replicas: `MS RUN JSON`, where a run is one of a replica. */
import { randomBytes } from 'node:crypto'
import type { Beat, Beats } from '../../core/nouns.ts'

/** `texts`: `GATEWAY/INSTANCE`, `MS RUN JSON`, …; those that `except` heard are left out. */
export function readBeats(texts: readonly (string | null)[], except = ''): Beats {
  const beats = new Map<string, Record<string, Beat>>()
  for (let i = 0; i + 1 < texts.length; i += 2) {
    const [place, text] = [texts[i] as string, texts[i + 1]]
    if (typeof text !== 'string') continue
    const [at, origin, said] = threeParts(text)
    if (origin === except) continue
    const slash = place.indexOf('/')
    const gateway = place.slice(0, slash)
    const beat: Beat = { at: Number(at), said: JSON.parse(said) }
    beats.set(gateway, { ...beats.get(gateway), [place.slice(slash + 1)]: beat })
  }
  return beats
}

export function threeParts(text: string): [string, string, string] {
  const first = text.indexOf(' ')
  const second = text.indexOf(' ', first + 1)
  return [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)]
}

/** Says which version of a document it is, and when (ms) it was made. */
export const tagOf = (at: number): string => `${Math.round(at)}-${randomBytes(8).toString('hex')}`

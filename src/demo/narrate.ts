/**
 * Tells on the terminal what happens, as it happens: a line for each fact, and one whenever somebody else serves.
 */
import { styleText } from 'node:util'
import type { Serving, Snapshot } from '../core/nouns.ts'
import { viewOf } from '../core/snapshot.ts'
import type { State } from '../state.ts'
import { sentence } from '../telemetry/facts.ts'

export interface Terminal {
  out(text: string): void
  readonly color: boolean
}

export interface Narrator extends Disposable {
  /** Tells something that is no fact of gatepool. */
  say(words: string): void
  /** Begins a part of the story. */
  title(words: string): void
}

/** Tells until it is disposed. */
export function narrate(state: State, { out, color }: Terminal, now: () => number): Narrator {
  const paint = (style: 'gray' | 'bold', text: string) =>
    color ? styleText(style, text, { validateStream: false }) : text
  const line = (at: number, text: string) => out(`${paint('gray', timeOf(at))}  ${text}\n`)

  let last = ''
  const tellServing = () => {
    // Before all were heard for the first time, who serves is chance.
    if (Object.values(state.snapshot.pools).some(({ members }) => members.some(member => member.state === 'unknown')))
      return
    const text = whoServes(state.snapshot)
    if (text === last) return
    last = text
    line(now(), paint('bold', `=> ${text}`))
  }
  const stops = [state.onFact(fact => line(fact.at, sentence(fact))), state.onChange(tellServing)]
  return {
    say: words => line(now(), words),
    title: words => out(`\n${paint('bold', words)}\n`),
    [Symbol.dispose]() {
      for (const stop of stops) stop()
    },
  }
}

/** Local time of day, to the millisecond. */
function timeOf(at: number): string {
  const date = new Date(at)
  return `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

/** `everything: ds918 instead of home, nas: ds918`. */
function whoServes(snapshot: Snapshot): string {
  const { routes } = snapshot.world.definitions.value
  return routes.map(route => `${route.name}: ${words(viewOf(snapshot, route)?.serving)}`).join(', ')
}

function words(serving: Serving | undefined): string {
  switch (serving?.kind) {
    case 'first':
      return serving.gateway
    case 'failover':
      return `${serving.gateway} instead of ${serving.original}`
    case 'emergency':
      return `${serving.gateway} in an emergency`
    case 'balanced':
      return serving.gateways.join(', ')
    case 'nobody':
    case undefined:
      return 'nobody'
  }
}

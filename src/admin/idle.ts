/** Waiting until a gateway has nothing in flight. */
import type { Clock } from '../clock.ts'

/** Ms between two looks: traffic counts, and tells nobody. */
const LOOK = 100

/** Resolves when `isOver`, after `ms` at the latest, or when `gone` fires. */
export function untilOver(
  isOver: () => boolean,
  { ms, clock, gone }: { readonly ms: number; readonly clock: Clock; readonly gone: AbortSignal },
): Promise<void> {
  if (ms === 0 || gone.aborted || isOver()) return Promise.resolve()
  return new Promise(resolve => {
    const end = () => {
      looks[Symbol.dispose]()
      limit[Symbol.dispose]()
      gone.removeEventListener('abort', end)
      resolve()
    }
    const looks = clock.every(LOOK, () => {
      if (isOver()) end()
    })
    const limit = clock.after(ms, end)
    gone.addEventListener('abort', end)
  })
}

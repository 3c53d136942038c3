import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves with the ms that it took until `is` answered true. */
export async function until(what: string, is: () => Promise<boolean>, most = 30_000): Promise<number> {
  const started = performance.now()
  while (!(await is().catch(() => false))) {
    if (performance.now() - started > most) throw new Error(`not within ${most} ms: ${what}`)
    await sleep(10)
  }
  return performance.now() - started
}

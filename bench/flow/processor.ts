/** What the kernel says about a process of ours: processor time and memory. Linux alone. */
import { readFileSync, writeFileSync } from 'node:fs'

/** Microseconds, all threads together. */
export interface ProcessorTime {
  readonly user: number
  readonly system: number
}

/** The kernel counts for user space in ticks of 10 ms on every architecture that Node runs on (USER_HZ, proc(5)). */
const MICROSECONDS_PER_TICK = 10_000

/** Throws when there is no such process. */
export function processorTime(pid: number): ProcessorTime {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name in parentheses may hold spaces. Behind it utime and stime are fields 14 and 15, counted from 1 with the pid (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = (field: number) => Number(fields[field - 3]) * MICROSECONDS_PER_TICK
  return { user: ticks(14), system: ticks(15) }
}

/** Forgets the peak of the resident memory, so that the next one is of what comes now. Where this is not allowed it stays what it was. */
export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
  } catch {}
}

/** Largest resident memory since the last forgetPeak, bytes. */
export function peakMemory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
}

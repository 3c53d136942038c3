/**
 * What people write and what programs count in: `90s` and 90000 ms, `64KiB` and 65536 bytes, `[::]:8443` and a host with a port.
 * Each is a codec: parsing gives the program's form, `z.encode` gives a form back that people read and that parses to the same.
 */
import { z } from 'zod'

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/
const MS_PER = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const SIZE = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)?$/
const BYTES_PER = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const
const PERCENT = /^(\d+(?:\.\d+)?)%?$/

/** Longer than any timer that makes sense, short enough to keep every sum of times exact. */
const LONGEST = 365 * MS_PER.d

/** ms for `250ms`, `90s`, `5m`, `1.5h`, `2d`, or a bare number of seconds; NaN for anything else. */
export function parseDuration(text: string | number): number {
  return measure(String(text), DURATION, MS_PER, 's')
}

/** The shortest whole form of `ms`: 900000 is `15m`, 90000 is `90s`, 1500 is `1500ms`. */
export function formatDuration(ms: number): string {
  return write(ms, MS_PER, '0s')
}

/** Bytes for `64KiB`, `1.5MiB`, or a bare number of bytes; NaN for anything else. */
export function parseSize(text: string | number): number {
  return measure(String(text), SIZE, BYTES_PER, 'B')
}

/** The shortest whole form of `bytes`: 65536 is `64KiB`, 1000 is `1000B`. */
export function formatSize(bytes: number): string {
  return write(bytes, BYTES_PER, '0B')
}

function measure<U extends string>(text: string, form: RegExp, units: Record<U, number>, bare: U): number {
  const [, amount, unit] = form.exec(text) ?? []
  if (amount === undefined) return Number.NaN
  const total = Number(amount) * units[(unit ?? bare) as U]
  // 1.1s is 1100.0000000000002 in binary: a whole number was meant. 0.5ms is not one, and is left for the schema to refuse.
  const whole = Math.round(total)
  return Math.abs(total - whole) < 1e-6 ? whole : total
}

function write(amount: number, units: Record<string, number>, zero: string): string {
  if (amount === 0) return zero
  const fits = Object.entries(units).findLast(([, size]) => amount % size === 0)
  return fits === undefined ? String(amount) : `${amount / fits[1]}${fits[0]}`
}

/** Text of that form, or a bare number; `error` is the message for everything else. */
const written = (form: RegExp, error: string) =>
  z.union([z.string().regex(form, { error }), z.number().min(0, { error })], { error })

const writtenDuration = written(DURATION, 'expected a duration such as 250ms, 90s, 5m or 1h (a bare number is seconds)')

const milliseconds = (min: number, max: number) =>
  z
    .number()
    .int({ error: 'must be whole milliseconds' })
    .min(min, { error: `must be at least ${formatDuration(min)}` })
    .max(max, { error: `must be at most ${formatDuration(max)}` })

/** A duration in ms, from `min` to `max` ms. */
export function duration({ min = 0, max = LONGEST }: { min?: number; max?: number } = {}) {
  return z.codec(writtenDuration, milliseconds(min, max), { decode: parseDuration, encode: formatDuration })
}

/** Quiet times that fit what a gateway runs on, by name. */
export const presets = {
  container: 60_000,
  vm: 180_000,
  hypervisor: 600_000,
  nas: 900_000,
  windows: 1_800_000,
  conservative: 3_600_000,
} as const

export type Preset = keyof typeof presets

const isPreset = (text: string | number): text is Preset => Object.hasOwn(presets, text)

const COOLDOWN = `expected a duration such as 5m, or one of ${Object.keys(presets).join(', ')}`

/** A duration in ms that may be written as the name of a preset. */
export const cooldown = z.codec(
  z.union([z.enum(Object.keys(presets) as Preset[]), written(DURATION, COOLDOWN)], { error: COOLDOWN }),
  milliseconds(0, LONGEST),
  { decode: text => (isPreset(text) ? presets[text] : parseDuration(text)), encode: formatDuration },
)

/** A size in bytes, up to 1 TiB. */
export function size({ min = 0 }: { min?: number } = {}) {
  return z.codec(
    written(SIZE, 'expected a size such as 64KiB or 10MiB (a bare number is bytes)'),
    z
      .number()
      .int({ error: 'must be whole bytes' })
      .min(min, { error: `must be at least ${formatSize(min)}` })
      .max(2 ** 40, { error: 'must be at most 1024GiB' }),
    { decode: parseSize, encode: formatSize },
  )
}

/** A share of 100, written `50%` or 50. */
export const percent = z.codec(
  written(PERCENT, 'expected a percentage such as 50%'),
  z.number().max(100, { error: 'must be at most 100%' }),
  { decode: text => Number.parseFloat(String(text)), encode: share => `${share}%` },
)

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/
const NUMERIC_END = /(^|\.)(\d+|0x[0-9a-f]*)$/

export const isIpv4 = (text: string): boolean => z.ipv4().safeParse(text).success
export const isIpv6 = (text: string): boolean => z.ipv6().safeParse(text).success

/** A lower-case name that DNS can be asked for. One that ends in a number would be taken for an address (URL standard, "ends in a number"). */
export const isHostName = (text: string): boolean => HOST_NAME.test(text) && !NUMERIC_END.test(text)

const isHost = (text: string): boolean => isHostName(text) || isIpv4(text) || isIpv6(text)

/** Lower-case, without the final dot; an IPv6 address without its brackets. */
const plainHost = (text: string): string => {
  const lower = text.toLowerCase()
  if (lower.startsWith('[') && lower.endsWith(']')) return isIpv6(lower.slice(1, -1)) ? lower.slice(1, -1) : lower
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}

/** A host name or an address, of either family, without a port. */
export const host = z
  .string()
  .overwrite(plainHost)
  .refine(isHost, { error: 'expected a host name, an IPv4 or an IPv6 address, without a port' })

/** The two halves of `host:port` or `[ipv6]:port`; undefined when it is neither. */
export function splitHostPort(text: string): { host: string; port: number } | undefined {
  const [, v6, name, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (v6 !== undefined) return isIpv6(v6) && port <= 65_535 ? { host: v6.toLowerCase(), port } : undefined
  if (name === undefined || port > 65_535) return undefined
  const plain = plainHost(name)
  return isHost(plain) ? { host: plain, port } : undefined
}

export function joinHostPort({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Where a listener listens. Port 0 is a free port that the system picks. */
export const listenAddress = z.codec(
  z.string().refine(text => splitHostPort(text) !== undefined, {
    error: 'expected an address and a port, such as 127.0.0.1:8080 or "[::]:8080"',
  }),
  z.strictObject({ host: z.string(), port: z.number() }),
  { decode: text => splitHostPort(text) ?? { host: '', port: 0 }, encode: joinHostPort },
)

/** `host:port` as text, of something that is dialled. */
export const hostPort = z.string().refine(text => (splitHostPort(text)?.port ?? 0) > 0, {
  error: 'expected a host and a port, such as 192.168.1.5:5001',
})

/** A TCP or UDP port that can be dialled. */
export const port = z.number().int().min(1).max(65_535)

/** A range of addresses such as 10.0.0.0/8 or fc00::/7; a bare address is a range of one. */
export const addressRange = z
  .string()
  .refine(text => [z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()].some(form => form.safeParse(text).success), {
    error: 'expected a range of addresses such as 10.0.0.0/8 or fc00::/7',
  })

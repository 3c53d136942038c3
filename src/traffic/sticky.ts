/**
 * Cookies that keep a client with the member that served it first (`sticky` of a pool). What a cookie says is a tag: the signature of the
 * member's place in the pool, which tells nothing and cannot be made up. All tags of a pool are computed when its picker is built, so that a
 * request pays for two look-ups; any other value is no cookie at all.
 */
import { createHmac } from 'node:crypto'
import type { MemberSlot, Slot } from './slots.ts'

/** Where a tag leads: to a member, and in it to one instance, where instances are upstreams of their own. */
export interface Place {
  readonly tag: string
  readonly member: MemberSlot
  readonly slot: Slot | null
}

export interface Sticky {
  /** Name of the cookie. */
  readonly cookie: string
  readonly byTag: ReadonlyMap<string, Place>
  /** Also of each member's slots. */
  readonly tags: ReadonlyMap<Slot, string>
}

/** The cookies of the pool `pool` with these members, signed with `key`. */
export function compileSticky(cookie: string, key: string, pool: string, members: readonly MemberSlot[]): Sticky {
  const byTag = new Map<string, Place>()
  const tags = new Map<Slot, string>()
  for (const member of members) {
    for (const slot of member.slots) {
      const { instance } = slot.upstream
      const tag = sign(key, [pool, member.name, ...(instance === undefined ? [] : [instance])])
      tags.set(slot, tag)
      // The addresses of one host name are one place.
      byTag.set(tag, { tag, member, slot: instance === undefined ? null : slot })
    }
  }
  return { cookie, byTag, tags }
}

/** The field line that makes a client keep `tag`. */
export function setCookieLine(cookie: string, tag: string): string {
  return `Set-Cookie: ${cookie}=${tag}; Path=/; HttpOnly; SameSite=Lax\r\n`
}

/** 128 bits of an HMAC-SHA256. */
function sign(key: string, place: readonly string[]): string {
  return createHmac('sha256', key).update(JSON.stringify(place)).digest().subarray(0, 16).toString('base64url')
}

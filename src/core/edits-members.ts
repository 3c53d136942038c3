/** The members of a pool, in order of priority: all at once, or one of them. Their stamp is the pool's. */
import type { Refusal } from '../errors.ts'
import type { Change } from './changes.ts'
import { isNo, no, type Terms } from './edits.ts'
import { alter } from './edits-objects.ts'
import type { Member } from './nouns.ts'

/** As the schema says it of a list that is written as a whole. */
const MOST_MEMBERS = 256

/** What is not said stays as it is; of a new member the weight is 1 and the place the last. */
export interface MemberWish {
  readonly weight?: number | undefined
  /** 1 is the first; beyond the end is last. */
  readonly position?: number | undefined
}

export function replaceMembers(pool: string, members: readonly Member[], terms: Terms): Change {
  return edit(pool, () => members, terms, 'members_replaced')
}

export function addMember(pool: string, gateway: string, wish: MemberWish, terms: Terms): Change {
  const added = (members: readonly Member[]) =>
    members.some(one => one.gateway === gateway)
      ? no('duplicate_member', `${gateway} is a member of ${pool} already`)
      : placed(members, gateway, wish)
  return edit(pool, added, terms, 'member_added')
}

/** The member as it is wished; a new one when it is none yet. */
export function putMember(pool: string, gateway: string, wish: MemberWish, terms: Terms): Change {
  return edit(pool, members => placed(members, gateway, wish), terms, 'member_put')
}

export function removeMember(pool: string, gateway: string, terms: Terms): Change {
  const removed = (members: readonly Member[]) => {
    const left = members.filter(one => one.gateway !== gateway)
    return left.length < members.length
      ? left
      : no('not_found', `${JSON.stringify(gateway.slice(0, 40))} is not a member of ${pool}`)
  }
  return edit(pool, removed, terms, 'member_removed')
}

function edit(
  pool: string,
  make: (members: readonly Member[]) => readonly Member[] | Refusal,
  terms: Terms,
  cause: string,
): Change {
  return alter(
    'pool',
    pool,
    before => {
      const members = make(before.members)
      if (isNo(members)) return members
      if (members.length > MOST_MEMBERS) return no('bad_request', `a pool has at most ${MOST_MEMBERS} members`)
      return { ...before, members: [...members] }
    },
    terms,
    cause,
  )
}

function placed(members: readonly Member[], gateway: string, { weight, position }: MemberWish): readonly Member[] {
  const at = members.findIndex(one => one.gateway === gateway)
  const others = members.filter(one => one.gateway !== gateway)
  const place = position === undefined ? (at < 0 ? others.length : at) : position - 1
  return others.toSpliced(place, 0, { gateway, weight: weight ?? members[at]?.weight ?? 1 })
}

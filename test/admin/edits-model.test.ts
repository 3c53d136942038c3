/**
 * A thousand random changes by two replicas on one store at the same time, against a model that knows nothing of documents: after each
 * revision both say the same, and what one refuses the other refuses for the same reason.
 */
import { test } from 'tap'
import { checker, notSent } from '../../src/admin/written.ts'
import type { Change } from '../../src/core/changes.ts'
import { alterSettings } from '../../src/core/edits.ts'
import { addMember, putMember, removeMember, replaceMembers } from '../../src/core/edits-members.ts'
import { alter, create, deleteGateway, deletePool, deleteRoute } from '../../src/core/edits-objects.ts'
import type { Definitions } from '../../src/core/nouns.ts'
import { isRefusal } from '../../src/errors.ts'
import { createLedger } from '../../src/ledger.ts'
import { createState } from '../../src/state.ts'
import { createDice, type Dice } from '../support/dice.ts'
import { type MemoryStore, memoryStore } from '../support/memory-store.ts'
import { seed } from '../support/seed.ts'
import { define, START, worldOf } from '../support/world.ts'

const CHANGES = 1_000
/** Few names, so that changes meet. */
const GATEWAYS = ['a', 'b', 'c', 'd', 'e']
const POOLS = ['p', 'q', 'r']
const ROUTES = ['x', 'y', 'z']

const terms = { check: checker(() => ({ admin: { listen: { host: '127.0.0.1', port: 1 } }, listeners: [] }), notSent) }

interface Model {
  readonly gateways: Set<string>
  /** Names of members, in order, with their weight; and where traffic goes when nobody is left. */
  readonly pools: Map<string, { members: [string, number][]; fallback: string | undefined }>
  /** `p` or `@a`: a pool, or a gateway. */
  readonly routes: Map<string, string>
  threshold: number
}

/** One change in both languages. The model's answer is the code of a refusal, or nothing. */
interface Both {
  readonly what: string
  readonly change: Change
  readonly act: (model: Model) => string | undefined
}

const blank = define({
  gateways: [{ name: 'a', address: '127.0.0.1' }],
  pools: [{ name: 'p' }],
  routes: [{ name: 'x', target: { pool: 'p' } }],
})
const [gateway, pool, route] = [blank.gateways[0], blank.pools[0], blank.routes[0]] as [
  Definitions['gateways'][number],
  Definitions['pools'][number],
  Definitions['routes'][number],
]

const users = ({ pools, routes }: Model, name: string) =>
  [...routes.values()].includes(name) || [...pools.values()].some(({ fallback }) => fallback === name)
const targetOf = (text: string) => (text.startsWith('@') ? { gateway: text.slice(1) } : { pool: text })

/** The rules of a list of members that replaces another one. */
function setMembers(model: Model, name: string, members: [string, number][] | string): string | undefined {
  const one = model.pools.get(name)
  if (one === undefined) return 'not_found'
  if (typeof members === 'string') return members
  if (members.length === 0 && one.members.length > 0 && users(model, name)) return 'last_member_in_use'
  const names = members.map(([gateway]) => gateway)
  // Findings come in order of the list, and the first one gives its code.
  for (const [i, gateway] of names.entries()) {
    if (names.indexOf(gateway) !== i) return 'duplicate_member'
    if (!model.gateways.has(gateway)) return 'unknown_reference'
  }
  one.members = members
  return undefined
}

function insert(members: readonly [string, number][], entry: [string, number], at: number): [string, number][] {
  return [...members.slice(0, at), entry, ...members.slice(at)]
}

function pick(dice: Dice): Both {
  const g = dice.oneOf(GATEWAYS) as string
  const p = dice.oneOf(POOLS) as string
  const r = dice.oneOf(ROUTES) as string
  const weight = 1 + dice.int(5)
  const position = 1 + dice.int(4)
  switch (dice.int(12)) {
    case 0:
      return {
        what: `create gateway ${g}`,
        change: create('gateway', { ...gateway, name: g }, terms),
        act: ({ gateways }) => (gateways.has(g) ? 'duplicate_name' : void gateways.add(g)),
      }
    case 1:
      return {
        what: `delete gateway ${g}`,
        change: deleteGateway(g, terms),
        act: model => {
          if (!model.gateways.has(g)) return 'not_found'
          const isLast = ([name, { members }]: [string, { members: [string, number][] }]) =>
            members.length === 1 && members[0]?.[0] === g && users(model, name)
          if ([...model.routes.values()].includes(`@${g}`) || [...model.pools].some(isLast)) return 'gateway_in_use'
          model.gateways.delete(g)
          for (const one of model.pools.values()) one.members = one.members.filter(([name]) => name !== g)
          return undefined
        },
      }
    case 2: {
      const fallback = dice.maybe(0.5) ? dice.oneOf(POOLS) : undefined
      const on_all_down = fallback ? ({ action: 'fallback', pool: fallback } as const) : pool.on_all_down
      return {
        what: `create pool ${p} with fallback ${fallback}`,
        change: create('pool', { ...pool, name: p, on_all_down }, terms),
        act: ({ pools }) => {
          if (pools.has(p)) return 'duplicate_name'
          if (fallback === p) return 'fallback_cycle'
          if (fallback !== undefined && !pools.has(fallback)) return 'unknown_reference'
          pools.set(p, { members: [], fallback })
          return undefined
        },
      }
    }
    case 3:
      return {
        what: `delete pool ${p}`,
        change: deletePool(p, terms),
        act: model => {
          if (!model.pools.has(p)) return 'not_found'
          return users(model, p) ? 'pool_in_use' : void model.pools.delete(p)
        },
      }
    case 4: {
      const members = Array.from({ length: dice.int(4) }, () => dice.oneOf(GATEWAYS) as string)
      const list = members.map(name => ({ gateway: name, weight }))
      return {
        what: `members of ${p}: ${members} by ${weight}`,
        change: replaceMembers(p, list, terms),
        act: model =>
          setMembers(
            model,
            p,
            members.map((name): [string, number] => [name, weight]),
          ),
      }
    }
    case 5:
      return {
        what: `add ${g} to ${p} by ${weight} at ${position}`,
        change: addMember(p, g, { weight, position }, terms),
        act: model => {
          const members = model.pools.get(p)?.members ?? []
          if (members.some(([name]) => name === g)) return 'duplicate_member'
          return setMembers(model, p, insert(members, [g, weight], position - 1))
        },
      }
    case 6:
      return {
        what: `put ${g} in ${p} at ${position}`,
        change: putMember(p, g, { position }, terms),
        act: model => {
          const members = model.pools.get(p)?.members ?? []
          const old = members.find(([name]) => name === g)?.[1] ?? 1
          return setMembers(
            model,
            p,
            insert(
              members.filter(([name]) => name !== g),
              [g, old],
              position - 1,
            ),
          )
        },
      }
    case 7:
      return {
        what: `remove ${g} from ${p}`,
        change: removeMember(p, g, terms),
        act: model => {
          const members = model.pools.get(p)?.members ?? []
          const left = members.filter(([name]) => name !== g)
          return setMembers(model, p, left.length === members.length ? 'not_found' : left)
        },
      }
    case 8:
    case 9: {
      const to = dice.maybe(0.5) ? p : `@${g}`
      const isNew = dice.maybe(0.5)
      const made = { ...route, name: r, match: { host: `${r}.example`, path: '/' }, target: targetOf(to) }
      return {
        what: `${isNew ? 'create' : 'retarget'} route ${r} to ${to}`,
        change: isNew
          ? create('route', made, terms)
          : alter('route', r, before => ({ ...before, target: targetOf(to) }), terms),
        act: ({ gateways, pools, routes }) => {
          if (isNew === routes.has(r)) return isNew ? 'duplicate_name' : 'not_found'
          if (!(to.startsWith('@') ? gateways.has(g) : pools.has(p))) return 'unknown_reference'
          routes.set(r, to)
          return undefined
        },
      }
    }
    case 10:
      return {
        what: `delete route ${r}`,
        change: deleteRoute(r, terms),
        act: ({ routes }) => (routes.delete(r) ? undefined : 'not_found'),
      }
    default: {
      const threshold = 1_000 * (1 + dice.int(9))
      return {
        what: `threshold ${threshold}`,
        change: alterSettings(before => ({ ...before, gateway_down_threshold: threshold }), terms),
        act: model => {
          model.threshold = threshold
        },
      }
    }
  }
}

/** The document in the words of the model, without the order of its sections. */
function inWords({ gateways, pools, routes, settings }: Definitions) {
  return {
    gateways: gateways.map(({ name }) => name).sort(),
    pools: Object.fromEntries(
      pools.map(({ name, members, on_all_down: end }) => [
        name,
        `${members.map(one => `${one.gateway} ${one.weight}`)} else ${end.action === 'fallback' ? end.pool : undefined}`,
      ]),
    ),
    routes: Object.fromEntries(
      routes.map(({ name, target }) => [
        name,
        'pool' in target ? target.pool : 'gateway' in target ? `@${target.gateway}` : '',
      ]),
    ),
    threshold: settings.gateway_down_threshold,
  }
}

function modelInWords({ gateways, pools, routes, threshold }: Model): ReturnType<typeof inWords> {
  return {
    gateways: [...gateways].sort(),
    pools: Object.fromEntries(
      [...pools].map(([name, { members, fallback }]) => [
        name,
        `${members.map(one => one.join(' '))} else ${fallback}`,
      ]),
    ),
    routes: Object.fromEntries(routes),
    threshold,
  }
}

function replica(store: MemoryStore, name: string) {
  const { sight } = worldOf(blank)
  const onError = (error: unknown) => {
    throw error
  }
  const state = createState({
    world: { ...store.documents, sight },
    cluster: 'test',
    replica: name,
    boot: 'x',
    onError,
  })
  return createLedger({ state, store, definitions: 'store' })
}

test('a thousand concurrent changes leave the document that a model has', async t => {
  t.comment(`seed ${seed}`)
  const dice = createDice(seed)
  const store = memoryStore(() => START, { definitions: blank })
  const ledgers = [replica(store, 'one'), replica(store, 'two')]
  /** What each decision was made on, and what it was. */
  const decided: { both: Both; revision: number; code: string | undefined; written: number | undefined }[] = []
  let asked = 0
  let gaveUp = 0

  await Promise.all(
    Array.from({ length: CHANGES }, async () => {
      const both = pick(dice)
      let seen = 0
      const watched: Change = (world, now) => {
        asked++
        seen = world.definitions.revision
        return both.change(world, now)
      }
      const outcome = await dice.oneOf(ledgers)?.commit(watched, 'test')
      if (outcome === undefined) return
      if (isRefusal(outcome) && outcome.code === 'revision_conflict') gaveUp++
      else if (isRefusal(outcome)) decided.push({ both, revision: seen, code: outcome.code, written: undefined })
      else {
        const written = outcome.facts.length > 0 ? outcome.revision : undefined
        decided.push({ both, revision: seen, code: undefined, written })
      }
    }),
  )

  const model: Model = {
    gateways: new Set(['a']),
    pools: new Map([['p', { members: [], fallback: undefined }]]),
    routes: new Map([['x', 'p']]),
    threshold: blank.settings.gateway_down_threshold,
  }
  // In the order of the revisions: first whatever left a revision as it was, then the change that ended it.
  decided.sort((a, b) => a.revision - b.revision || Number(a.written !== undefined) - Number(b.written !== undefined))
  for (const { both, revision, code, written } of decided) {
    const before = JSON.stringify(modelInWords(model))
    const said = both.act(model)
    if (said !== code) t.fail(`${both.what} at ${revision}: ${code}, and the model says ${said}`)
    if (written === undefined && JSON.stringify(modelInWords(model)) !== before)
      t.fail(`${both.what}: changed only the model`)
    if (written !== undefined && written !== revision + 1) t.fail(`${both.what} at ${revision}: written as ${written}`)
  }
  const count = decided.filter(({ written }) => written !== undefined).length
  t.comment(`${count} written, ${decided.length - count} refused or the same, ${asked} asked, ${gaveUp} gave up`)
  t.strictSame(inWords(store.documents.definitions.value), modelInWords(model))
  t.equal(store.documents.definitions.revision, 1 + count)
  t.ok(count > CHANGES / 10, 'enough of them did something')
  t.ok(asked > CHANGES, 'and some met')
})

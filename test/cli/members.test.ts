import { test } from 'tap'
import { type TestAdmin, TOKEN, testAdmin } from '../support/admin.ts'
import { runCli } from '../support/cli.ts'

const envOf = ({ url }: TestAdmin) => ({ GATEPOOL_URL: url, GATEPOOL_TOKEN: TOKEN })

test('the members of a pool are listed, set, added, moved and removed', async t => {
  await using it = await testAdmin()
  const members = async (...argv: string[]) => {
    const ran = await runCli(['pool', 'members', 'main', ...argv], envOf(it))
    t.equal(ran.exit, 0, ran.err)
    return ran
  }
  const inOrder = async () =>
    JSON.parse((await members('list', '--json')).out).items.map((one: { gateway: string; weight: number }) =>
      one.weight === 1 ? one.gateway : `${one.gateway}=${one.weight}`,
    )
  t.match((await members()).out, /^# +MEMBER +WEIGHT .*\n1 +home +1 .*\n2 +nas +2 /)
  const added = await members('add', 'spare', '--position', '2', '--weight', '5')
  t.equal(added.out, '', 'what was done is said in words, and those are on stderr')
  t.match(added.err, /^spare is member 2 of main\nwarning: home is not ready: unknown/)
  t.strictSame(await inOrder(), ['home', 'spare=5', 'nas=2'])
  await members('move', 'nas', '--to', '1')
  t.strictSame(await inOrder(), ['nas=2', 'home', 'spare=5'])
  await members('remove', 'home')
  t.strictSame(await inOrder(), ['nas=2', 'spare=5'])
  t.match(JSON.parse((await members('set', 'spare', 'home=3', '--json')).out), {
    items: [{ gateway: 'spare' }, { gateway: 'home', weight: 3 }],
  })
  t.strictSame(await inOrder(), ['spare', 'home=3'])
  await members('add', 'nas')
  t.strictSame(await inOrder(), ['spare', 'home=3', 'nas'])
})

test('what cannot be done with members is said, and nothing changes', async t => {
  await using it = await testAdmin()
  const cases: [argv: string[], exit: number, err: RegExp][] = [
    [['add', 'home'], 1, /The gateway is a member already/],
    [['add', 'nobody'], 1, /there is no gateway "nobody"/],
    [['remove', 'spare'], 3, /"spare" is not a member of main/],
    [['move', 'spare', '--to', '1'], 3, /"spare" is not a member of main/],
    [['move', 'home'], 2, /say where to/],
    [['add'], 2, /takes one gateway/],
    [['remove', 'home', 'nas'], 2, /takes one gateway/],
    [['set', 'home', 'home'], 1, /The gateway is a member already/],
    [['set'], 1, /The last member of a pool in use cannot go/],
    [['swap', 'home'], 2, /Allowed choices are list, set, add, remove, move/],
    [['add', 'spare', '--weight', '0'], 2, /expected 1 to 1000/],
  ]
  for (const [argv, exit, err] of cases) {
    const ran = await runCli(['pool', 'members', 'main', ...argv], envOf(it))
    t.equal(ran.exit, exit, `${argv.join(' ')}: ${ran.err}`)
    t.match(ran.err, err)
    t.equal(ran.out, '')
  }
  const { out } = await runCli(['pool', 'members', 'main', '--json'], envOf(it))
  t.match(JSON.parse(out), { items: [{ gateway: 'home' }, { gateway: 'nas' }] })
})

import { Command } from 'commander'
import { test } from 'tap'
import { allDownArgument, membersArgument, named, namesArgument } from '../../src/cli/arguments.ts'
import { fieldsSaid, title, withFields, withSwitches } from '../../src/cli/fields.ts'
import { columns, table } from '../../src/cli/print.ts'

test('a title makes a name, a name stays one', t => {
  t.strictSame(named('Home network'), { name: 'home-network', title: 'Home network' })
  t.strictSame(named('home-network'), { name: 'home-network' })
  t.strictSame(named('  Büro (Übersee) '), { name: 'buro-ubersee', title: '  Büro (Übersee) ' })
  t.strictSame(named('Home', 'base'), { name: 'base', title: 'Home' })
  t.strictSame(named(`${'a'.repeat(31)} b`).name, 'a'.repeat(31), 'no hyphen is left at the end')
  for (const bad of ['家', '-', '', '!!!']) t.throws(() => named(bad), /--name/)
  t.throws(() => named('Home', 'Not A Name'), /--name/)
  t.end()
})

test('names and members are read, and nothing else gets into a path', t => {
  t.strictSame(namesArgument('home, nas'), ['home', 'nas'])
  t.strictSame(namesArgument(''), [])
  t.strictSame(membersArgument('home,nas=2'), ['home', { gateway: 'nas', weight: 2 }])
  for (const bad of ['a,,b', '../x', 'a/b', 'A']) t.throws(() => namesArgument(bad), /a name has/)
  for (const bad of ['a=0', 'a=1001', 'a=b', 'a=1=2', '=1', 'a=']) t.throws(() => membersArgument(bad))
  t.end()
})

test('what a pool does when all are down is read as one word, with what belongs to it', t => {
  t.strictSame(allDownArgument('fail_open'), { action: 'fail_open' })
  t.strictSame(allDownArgument('hold'), { action: 'hold' })
  t.strictSame(allDownArgument('hold=30s'), { action: 'hold', hold: '30s' })
  t.strictSame(allDownArgument('fallback=spare'), { action: 'fallback', pool: 'spare' })
  for (const bad of ['', 'fallback', 'fallback=A', 'fail_open=1', 'hold=1s=2', 'wait'])
    t.throws(() => allDownArgument(bad), bad)
  t.end()
})

test('fields are said by their options, and by --field as YAML', async t => {
  const fields = [title, { key: 'match.host', flags: '--host <host>', description: 'host' }]
  const said = async (...argv: string[]) => {
    const command = withSwitches(withFields(new Command('x'), fields)).exitOverride()
    command.parse(argv, { from: 'user' })
    return fieldsSaid(command.opts(), fields)
  }
  t.strictSame(await said(), {})
  t.strictSame(await said('--title', '5', '--host', 'a.example', '--disable'), {
    title: '5',
    match: { host: 'a.example' },
    enabled: false,
  })
  t.strictSame(
    await said(
      '--host',
      'a.example',
      '-f',
      'match.path=/x',
      '-f',
      'passive.max_fails=5',
      '-f',
      'backend=null',
      '-f',
      'allow=[10.0.0.0/8]',
    ),
    { match: { host: 'a.example', path: '/x' }, passive: { max_fails: 5 }, backend: null, allow: ['10.0.0.0/8'] },
  )
  for (const bad of ['title', '=x', '__proto__=x', 'a.__proto__.b=1', 'title=[', 'a..b=1']) {
    await t.rejects(said('-f', bad), /--field/, bad)
  }
})

test('tables align what terminals draw wide', t => {
  t.strictSame(['abc', '家族', 'e\u0301', '한국', '🎉', '👩‍👧', '❤️', 'ｆ'].map(columns), [3, 4, 1, 4, 2, 2, 2, 2])
  t.equal(
    table(
      text => text,
      ['A', 'B'],
      [
        ['家', 'x'],
        ['ab', 'y'],
      ],
    ),
    'A   B\n家  x\nab  y\n',
  )
  t.end()
})

/**
 * Members that are ill in ways of their own: each is ejected for its own reason, tried, and taken back when it is well; meanwhile the
 * others serve.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { startPool } from '../support/engine.ts'
import { answering, ok, rawUpstream } from '../support/raw-upstream.ts'
import { fallIll, illnesses } from '../support/sick.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const PACE = { every: 5, patience: 150, latency: 100, ejection: 250 }
/** What clients may see while it is found out, beside a good answer. */
const SEEN: Readonly<Record<string, string>> = { ratio: '503', status: '503', body_cut: 'cut' }

for (const illness of illnesses) {
  const { how, cause } = illness
  test(`a member that ${how} is ejected for that (${cause}), tried, and taken back`, async t => {
    const { causes, seen, givenOut, meanwhile, given } = await fallIll(illness, PACE)
    t.strictSame(causes, [cause])
    t.ok(given >= 3, 'one failure is no reason')
    const allowed = ['200', SEEN[cause]]
    t.strictSame(
      Object.keys(seen).filter(status => !allowed.includes(status)),
      [],
    )
    // It may have taken one that was on its way when it was ejected.
    t.ok(givenOut <= 1, 'it gets nothing while it is out')
    t.strictSame(Object.keys(meanwhile), ['200'], 'the others serve')
  })
}

test('the table of them in the documents is about these, and says for what each is ejected', t => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/concepts/passive-health.md'), 'utf8')
  const [, table = ''] = /<!-- measured: sick -->\n(.*?)<!-- end -->/s.exec(page) ?? []
  const rows = table.trim().split('\n').slice(2)
  t.strictSame(
    rows.map(row =>
      row
        .split('|')
        .slice(1, 3)
        .map(cell => cell.trim()),
    ),
    illnesses.map(({ how, cause }) => [how, `\`${cause}\``]),
  )
  t.end()
})

test('a gateway that says that only its backend is dead is not held responsible', async t => {
  const dead = (field: string) =>
    answering(`HTTP/1.1 502 Bad Gateway\r\nProxy-Status: ${field}\r\nContent-Length: 0\r\n\r\n`)
  await using behind = await rawUpstream(dead('agent; error=connection_refused; details="nas:5001"'))
  await using itself = await rawUpstream(dead('agent; error=proxy_internal_error'))
  await using well = await rawUpstream(answering(ok('well')))
  const ask = async (port: number) => {
    await using engine = await startPool([port, well.port])
    for (let n = 0; n < 5; n++) await engine.ask(GET)
    return engine.facts.map(({ kind }) => kind)
  }
  t.strictSame(await ask(behind.port), [])
  t.match(await ask(itself.port), ['member_ejected'])
})

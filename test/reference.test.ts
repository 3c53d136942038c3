/** The reference pages are made from the commands and from the contract: nobody edits them, and none is older than what it tells of. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { ejectionDiagram, gatewayDiagram, withDiagrams } from '../config/diagrams.ts'
import { endpoints } from '../src/admin/contract/endpoints.ts'
import { apiReference } from '../src/admin/reference.ts'
import { cliReference } from '../src/cli/reference.ts'
import { TOLD } from '../src/telemetry/facts.ts'
import { eventsReference, metricsReference } from '../src/telemetry/reference.ts'

const page = (file: string): string => readFileSync(join(import.meta.dirname, '../docs/reference', file), 'utf8')

test('the page of the command line is what the commands say now: npm run generate', t => {
  t.equal(page('cli.md'), cliReference())
  t.match(page('cli.md'), /^## gatepool pool members$/m)
  t.end()
})

test('the page of the admin API is what its contract says now: npm run generate', t => {
  t.equal(page('api.md'), apiReference())
  for (const { method, path } of Object.values(endpoints)) t.ok(page('api.md').includes(`\`${method} ${path}\``), path)
  t.end()
})

test('the pages of metrics and events are what the program tells now: npm run generate', t => {
  t.equal(page('metrics.md'), metricsReference())
  t.match(page('metrics.md'), '| `gatepool_http_requests_total` | counter | `listener` `route` `pool` `code_class` |')
  t.equal(page('events.md'), eventsReference())
  for (const kind of Object.keys(TOLD)) t.ok(page('events.md').includes(`| \`${kind}\` |`), kind)
  t.end()
})

test('the diagrams are what the tables of the machines do: npm run generate', t => {
  const folder = join(import.meta.dirname, '../docs/concepts')
  const pages = readdirSync(folder).map(name => readFileSync(join(folder, name), 'utf8'))
  for (const text of pages) t.equal(text, withDiagrams(text))
  for (const diagram of [gatewayDiagram(), ejectionDiagram()])
    t.ok(
      pages.some(text => text.includes(diagram)),
      'it is on a page',
    )
  const edges = gatewayDiagram().matchAll(/^ +(\w+) --> (\w+) :/gm)
  t.strictSame([...edges].map(([, from, to]) => `${from} ${to}`).sort(), [
    'down returning',
    'returning down',
    'returning up',
    'unknown up',
    'up down',
    'up returning',
  ])
  t.end()
})

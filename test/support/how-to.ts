/**
 * How-to documents, run as they are written: the commands of each chapter by a shell, and what they are said to print compared with what
 * they print.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { Program } from './debian.ts'
import { folder, LAUNCHER } from './launch.ts'

const DOCS = join(import.meta.dirname, '../../docs/how-to')

interface Block {
  /** `sh`: commands; `text`: what they print; `yaml`: a file. */
  readonly kind: string
  readonly text: string
}

export interface HowTo {
  /** The blocks of a chapter that are of this kind. */
  blocks(chapter: string, kind: string): string[]
  /**
   * Runs the commands of a chapter, in the shell's folder of this document, and holds their output to what the document shows. `before` is
   * waited for before each block of commands.
   */
  run(t: Test, chapter: string, before?: (commands: string) => Promise<unknown>): Promise<void>
  /** Holds that every chapter with commands was run, or is one of `others`. */
  ends(t: Test, others?: readonly string[]): void
}

/**
 * The document `file`; `replace` puts what is true in the test for what the document says (\`192.168.2.5\`). `programs` are those that its
 * commands call, where they may not be installed.
 */
export function howTo(
  t: Test,
  file: string,
  {
    env,
    replace = {},
    programs = {},
  }: {
    readonly env: Record<string, string>
    readonly replace?: Readonly<Record<string, string>>
    readonly programs?: Readonly<Record<string, Program>>
  },
): HowTo {
  const chapters = chaptersOf(readFileSync(join(DOCS, file), 'utf8'))
  const home = folder(t)
  const bin = folder(t)
  // What one command compiled is there for the next: each would take several times as long.
  const cache = folder(t)
  const provide = (name: string, command: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\nexec env ${command} "$@"\n`, { mode: 0o755 })
  // tap would put itself into every command otherwise.
  provide('gatepool', `-u NODE_OPTIONS '${process.execPath}' '${LAUNCHER}'`)
  for (const [name, { path, env }] of Object.entries(programs)) {
    const variables = Object.entries(env).map(([variable, value]) => `'${variable}=${value}'`)
    provide(name, [...variables, `'${path}'`].join(' '))
  }
  const run = new Set<string>()
  const blocksOf = (chapter: string): Block[] => {
    const blocks = chapters.get(chapter)
    if (blocks === undefined) throw new Error(`${file} has no chapter ${chapter}`)
    return blocks
  }
  return {
    blocks: (chapter, kind) => blocksOf(chapter).flatMap(block => (block.kind === kind ? [block.text] : [])),
    async run(t, chapter, before) {
      run.add(chapter)
      let printed = ''
      const asHere = (text: string) =>
        Object.entries(replace).reduce((all, [from, to]) => all.replaceAll(from, to), text)
      for (const block of blocksOf(chapter)) {
        if (block.kind === 'sh') {
          await before?.(block.text)
          const commands = asHere(block.text)
          const ran = await shell(commands, home, {
            NODE_COMPILE_CACHE: cache,
            ...env,
            PATH: `${bin}:${process.env.PATH}`,
          })
          t.equal(ran.code, 0, `${chapter}: ${commands}${ran.err}`)
          printed = ran.out
        } else if (block.kind === 'text') {
          const lines = new Set(printed.split('\n').map(shape))
          for (const line of asHere(block.text).trimEnd().split('\n')) {
            t.ok(lines.has(shape(line)), `${chapter} prints: ${line}`, { printed })
          }
        }
      }
    },
    ends(t, others = []) {
      const commands = [...chapters].filter(([, blocks]) => blocks.some(({ kind }) => kind === 'sh'))
      t.strictSame(
        commands.map(([chapter]) => chapter).filter(chapter => !run.has(chapter) && !others.includes(chapter)),
        [],
        'every chapter was run',
      )
    },
  }
}

/** By heading, in order. */
function chaptersOf(markdown: string): Map<string, Block[]> {
  const chapters = new Map<string, Block[]>()
  let blocks: Block[] = []
  for (const [, heading, kind, text = ''] of markdown.matchAll(/^#+ (.*)$|^```(\w*)\n([\s\S]*?)^```$/gm)) {
    if (heading === undefined) blocks.push({ kind: kind ?? '', text })
    else {
      blocks = []
      chapters.set(heading, blocks)
    }
  }
  return chapters
}

/** A line without what is different each time: widths of columns and times. */
function shape(line: string): string {
  return line
    .replace(/\b(in )?\d+ (s|min|h|d)( \d+ (s|min|h))?( ago)?\b/g, 'TIME')
    .replace(/\s+/g, ' ')
    .trim()
}

async function shell(commands: string, cwd: string, env: Record<string, string>) {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', commands], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { out, err, code }
}

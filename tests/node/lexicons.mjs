// @atproto/lexicon reads our lexicon files and validates what we really send and take against them.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Lexicons, jsonToLex } from '@atproto/lexicon'
import { answer, task } from './task.mjs'

const files = readdirSync(task.folder, { recursive: true }).filter((name) => name.endsWith('.json'))
const lexicons = new Lexicons()
for (const file of files) lexicons.add(JSON.parse(readFileSync(join(task.folder, file), 'utf8')))

const check = {
  params: (nsid, value) => lexicons.assertValidXrpcParams(nsid, value),
  input: (nsid, value) => lexicons.assertValidXrpcInput(nsid, value),
  output: (nsid, value) => lexicons.assertValidXrpcOutput(nsid, value),
}
const verdicts = task.checks.map(({ kind, nsid, value }) => {
  try {
    check[kind](nsid, jsonToLex(value))
    return null
  } catch (error) {
    return `${error.name}: ${error.message}`
  }
})
// A reference into the void only shows when it is followed.
const dangling = []
for (const { id, defs } of lexicons) {
  JSON.stringify(defs, (key, value) => {
    const targets = key === 'ref' ? [value] : key === 'refs' ? value : []
    for (const target of targets) {
      const uri = target.startsWith('lex:') ? target : `lex:${target.startsWith('#') ? id + target : target}`
      try {
        lexicons.getDefOrThrow(uri)
      } catch {
        dangling.push(target)
      }
    }
    return value
  })
}
answer({ ids: [...lexicons].map(({ id }) => id), verdicts, dangling })

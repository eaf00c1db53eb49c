// @atproto/xrpc-server follows the stream, the lexicons inside @atproto/api validate every message, and
// @atproto/crypto verifies every label over the bytes @atproto/common makes of it.
import { lexicons } from '@atproto/api'
import { cborEncode } from '@atproto/common'
import { verifySignature } from '@atproto/crypto'
import { Subscription } from '@atproto/xrpc-server'
import { answer, plain, task } from './task.mjs'

const METHOD = 'com.atproto.label.subscribeLabels'
const { service, cursor, count, didKey } = task
const messages = []
const ending = new AbortController()

async function verified({ sig, $type, ...rest }, change = {}) {
  return verifySignature(didKey, cborEncode({ ...rest, ...change }), sig)
}

async function follow() {
  const subscription = new Subscription({
    service,
    method: METHOD,
    maxReconnectSeconds: 1,
    signal: ending.signal,
    getParams: () => (cursor === undefined ? {} : { cursor }),
    validate: (message) => lexicons.assertValidXrpcMessage(METHOD, message),
  })
  for await (const { $type, seq, labels, name } of subscription) {
    const read = await Promise.all(
      (labels ?? []).map(async (label) => ({
        ...plain(label),
        verified: await verified(label),
        tampered: await verified(label, { val: `${label.val}x` }),
      })),
    )
    messages.push({ $type, seq, name, labels: read })
    if (messages.length === count) return null
  }
  return 'ended'
}

try {
  const ended = await follow()
  answer({ messages, ended })
} catch (error) {
  answer({ messages, ended: error.error ?? error.name, message: error.message })
}

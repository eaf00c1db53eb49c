// @atproto/api as a moderation tool and as a reader: emitEvent with a bearer token, then queryLabels page by page.
import { AtpBaseClient, lexicons } from '@atproto/api'
import { cborEncode } from '@atproto/common'
import { verifySignature } from '@atproto/crypto'
import { answer, plain, task } from './task.mjs'

const { service, token, subjects, val, didKey, limit } = task
const client = new AtpBaseClient((path, init) => fetch(new URL(path, service), init))

const event = (did, create, negate = []) => ({
  event: { $type: 'tools.ozone.moderation.defs#modEventLabel', createLabelVals: create, negateLabelVals: negate },
  subject: { $type: 'com.atproto.admin.defs#repoRef', did },
  createdBy: did,
})
const emit = (body, bearer = token) =>
  client.tools.ozone.moderation.emitEvent(body, {
    encoding: 'application/json',
    headers: { authorization: `Bearer ${bearer}` },
  })
async function refusal(promise) {
  try {
    await promise
    return null
  } catch (error) {
    return { kind: error.constructor.name, error: error.error, status: error.status, message: error.message }
  }
}

const views = []
for (const did of subjects) views.push((await emit(event(did, [val]))).data)
views.push((await emit(event(subjects[0], [], [val]))).data)
for (const view of views) lexicons.assertValidXrpcOutput('tools.ozone.moderation.emitEvent', view)

const pages = []
let cursor
do {
  const { data } = await client.com.atproto.label.queryLabels({ uriPatterns: ['*'], limit, cursor })
  lexicons.assertValidXrpcOutput('com.atproto.label.queryLabels', data)
  const labels = []
  for (const { sig, ...rest } of data.labels) {
    labels.push({ ...plain({ ...rest, sig }), verified: await verifySignature(didKey, cborEncode(rest), sig) })
  }
  pages.push(labels)
  cursor = data.cursor
} while (cursor !== undefined && pages.length < 50)

answer({
  views,
  pages,
  wrongToken: await refusal(emit(event(subjects[0], [val]), 'wrong')),
  undeclared: await refusal(emit(event(subjects[0], ['no-such-value']))),
  badPattern: await refusal(client.com.atproto.label.queryLabels({ uriPatterns: ['a*b'] })),
  badLimit: await refusal(client.com.atproto.label.queryLabels({ uriPatterns: ['*'], limit: 251 })),
})

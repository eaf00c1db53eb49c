// @atproto/api as a moderation tool and as a reader: every Ozone door with a bearer token, then queryLabels page by page.
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

const headers = { authorization: `Bearer ${token}` }
const defs = 'tools.ozone.moderation.defs#'
const act = async (kind, fields = {}) => {
  const body = { ...event(subjects[1], [], []), event: { $type: defs + kind, ...fields } }
  const { data } = await emit(body)
  lexicons.assertValidXrpcOutput('tools.ozone.moderation.emitEvent', data)
  return data
}
const acts = []
for (const [kind, fields] of [
  ['modEventComment', { comment: 'a word', sticky: true }],
  ['modEventTag', { add: ['bulk'], remove: [] }],
  ['modEventMute', { durationInHours: 24 }],
  ['modEventUnmute'],
  ['modEventEscalate'],
  ['modEventAcknowledge', { comment: 'seen' }],
]) acts.push(await act(kind, fields))
const ask = async (nsid, params) => {
  lexicons.assertValidXrpcParams(nsid, params)
  const [name, ...path] = nsid.split('.').reverse()
  const group = path.reverse().reduce((place, step) => place[step], client)
  const { data } = await group[name](params, { headers })
  lexicons.assertValidXrpcOutput(nsid, data)
  return data
}
const doors = {
  config: await ask('tools.ozone.server.getConfig', {}),
  members: await ask('tools.ozone.team.listMembers', {}),
  status: await ask('tools.ozone.moderation.queryStatuses', { subject: subjects[1] }),
  tagged: await ask('tools.ozone.moderation.queryStatuses', { tags: ['bulk'], sortField: 'lastReviewedAt' }),
  event: await ask('tools.ozone.moderation.getEvent', { id: acts[0].id }),
  repo: await ask('tools.ozone.moderation.getRepo', { did: subjects[1] }),
}
doors.repo.labels = doors.repo.labels.map(plain)
const events = []
let from
do {
  const data = await ask('tools.ozone.moderation.queryEvents', { limit: 4, cursor: from, sortDirection: 'asc' })
  events.push(...data.events)
  from = data.cursor
} while (from !== undefined && events.length < 50)

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
  acts,
  doors,
  events,
  notActive: await refusal(emit(event(subjects[0], [], [val]))),
  takedown: await refusal(act('modEventTakedown')),
  notHere: await refusal(client.tools.ozone.moderation.getSubjects({ subjects: [subjects[0]] }, { headers })),
  pages,
  wrongToken: await refusal(emit(event(subjects[0], [val]), 'wrong')),
  undeclared: await refusal(emit(event(subjects[0], ['no-such-value']))),
  badPattern: await refusal(client.com.atproto.label.queryLabels({ uriPatterns: ['a*b'] })),
  badLimit: await refusal(client.com.atproto.label.queryLabels({ uriPatterns: ['*'], limit: 251 })),
})

// @atproto/api as a person's app: reports and appeals through an account host that passes them on to the labeler.
// Task: { host, did, steps: [{ session, input }] }; each answer is { data } or { error, status, message }.
import { Agent, lexicons } from '@atproto/api'
import { answer, task } from './task.mjs'

const person = (session) =>
  new Agent((path, init) => {
    const headers = new Headers(init.headers)
    headers.set('authorization', `Bearer ${session}`)
    return fetch(new URL(path, task.host), { ...init, headers })
  }).withProxy('atproto_labeler', task.did)

const answers = []
for (const { session, input } of task.steps) {
  try {
    const { data } = await person(session).createModerationReport(input)
    lexicons.assertValidXrpcOutput('com.atproto.moderation.createReport', data)
    answers.push({ data })
  } catch (error) {
    answers.push({ error: error.error, status: error.status, message: error.message })
  }
}
answer({ answers })

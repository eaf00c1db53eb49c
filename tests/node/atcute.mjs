// @atcute/firehose with the schemas of @atcute/atproto: a stack that shares no code with the reference one.
import { ComAtprotoLabelSubscribeLabels } from '@atcute/atproto'
import { FirehoseSubscription } from '@atcute/firehose'
import { answer, task } from './task.mjs'

const { service, cursor, count } = task
const messages = []
const errors = []
const closes = []

// The bytes of a label come as the client's own wrapper ({ $bytes }).
const readable = (label) => ({ ...label, sig: label.sig.$bytes })

const done = new Promise((resolve) => {
  const subscription = new FirehoseSubscription({
    service,
    nsid: ComAtprotoLabelSubscribeLabels.mainSchema,
    params: () => (cursor === undefined ? {} : { cursor }),
    ws: { maxRetries: 0 },
    onError: (error) => errors.push({ name: error.name, error: error.error, message: error.message }),
    onConnectionClose: ({ code, reason }) => {
      closes.push({ code, reason })
      resolve()
    },
  })
  ;(async () => {
    for await (const message of subscription) {
      messages.push({ ...message, labels: message.labels?.map(readable) })
      if (messages.length === count) break
    }
    resolve()
  })()
})

await done
answer({ messages, errors, closes })

// The control: @skyware/labeler on a loopback port, with a second port through which labels are issued.
// Task: { folder, did, signingKey }. Prints { url, control } when it listens; ends when its input ends.
import { createServer } from 'node:http'
import { join } from 'node:path'
import { LabelerServer } from '@skyware/labeler'
import { task } from './task.mjs'

const server = new LabelerServer({
  did: task.did,
  signingKey: task.signingKey,
  dbPath: join(task.folder, 'labels.db'),
})

const control = createServer(async (request, response) => {
  try {
    let body = ''
    for await (const chunk of request) body += chunk
    const { uri, val, neg, exp, prune } = JSON.parse(body)
    if (prune) {
      await server.db.execute('DELETE FROM labels')
      response.writeHead(204).end()
      return
    }
    const { id } = await server.createLabel({ uri, val, ...(neg ? { neg } : {}), ...(exp ? { exp } : {}) })
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ seq: id }))
  } catch (error) {
    response.writeHead(500).end(String(error))
  }
})

server.start({ host: '127.0.0.1', port: 0 }, (error, url) => {
  if (error) throw error
  control.listen(0, '127.0.0.1', () => {
    process.stdout.write(`${JSON.stringify({ url, control: `http://127.0.0.1:${control.address().port}` })}\n`)
  })
})
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))

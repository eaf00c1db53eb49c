// What the scripts here share: one JSON task as the only argument, one JSON answer on standard output.
// A script is the unmodified client of somebody else plus the few lines that call it.

export const task = JSON.parse(process.argv[2])

/** Print the answer and end, whatever sockets the client keeps open. */
export function answer(value) {
  process.stdout.write(JSON.stringify(value), () => process.exit(0))
}

/** A label as JSON: bytes as base64. */
export const plain = (label) => ({ ...label, sig: Buffer.from(label.sig).toString('base64') })

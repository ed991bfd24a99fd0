// Runs the checks of one client and prints what came of each as one line of JSON.

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual, inspect } from 'node:util'

const CHECK_MILLIS_MAX = 60_000
const WAIT_MILLIS_MAX = 45_000

export async function run(client, version, checks) {
  const [bootstrap, listPath, ...words] = process.argv.slice(2)
  console.log(JSON.stringify({ client, version }))
  for (const { check } of JSON.parse(readFileSync(listPath))) {
    if (words.length === 0 || words.includes(check)) {
      console.log(JSON.stringify({ check, ...(await one(checks[check], bootstrap)) }))
    }
  }
  process.exit(0)
}

async function one(check, bootstrap) {
  if (!check) return { outcome: 'absent', detail: 'the client has no such feature', seconds: 0 }
  const startedAt = Date.now()
  const open = []
  const seconds = () => (Date.now() - startedAt) / 1000
  try {
    await within(CHECK_MILLIS_MAX, check(bootstrap, thing => (open.push(thing), thing)), check.name)
    return { outcome: 'pass', detail: '', seconds: seconds() }
  } catch (error) {
    console.error(error)
    return { outcome: 'fail', detail: String(error), seconds: seconds() }
  } finally {
    await Promise.allSettled(open.map(thing => within(10_000, thing.disconnect(), 'disconnecting')))
  }
}

function within(millis, promise, what) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: more than ${millis} ms`)), millis)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

export const fresh = word => `${word}-${randomBytes(6).toString('hex')}`

export function equal(got, wanted, what) {
  if (!isDeepStrictEqual(got, wanted)) throw new Error(`${what}: got ${inspect(got)}, wanted ${inspect(wanted)}`)
}

export async function until(condition, what) {
  const deadline = Date.now() + WAIT_MILLIS_MAX
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

// The promise must be rejected with an error of this type.
export async function refused(promise, type, what) {
  let error
  try {
    await promise
  } catch (thrown) {
    error = thrown
  }
  if (!error) throw new Error(`${what} was accepted`)
  if (type) equal(error.type ?? error.errors?.[0]?.type ?? error.cause?.type, type, `the error of ${what}`)
}

// Reads backlogs with nano for so many seconds: node nano.mjs FOLDER URL DATABASE CHANGES SECONDS
// Prints as JSON what meter.py finds out about a Python process.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const [folder, url, database, changes, box] = process.argv.slice(2)
const nano = createRequire(folder + '/')('nano')
const db = nano(url).use(database)

// Resolves with the moments of the first and of the last change once the answer has ended.
function readBacklog () {
  return new Promise((resolve, reject) => {
    let rest = ''
    let first = 0
    let last = 0
    let count = 0
    let letters = 0
    const feed = db.changesAsStream({ feed: 'continuous', since: 0 })
    feed.setEncoding('utf8')
    feed.on('data', text => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()
      for (const line of lines) {
        if (line === '' || count === Number(changes)) continue
        const change = JSON.parse(line)
        first ||= performance.now()
        letters += change.id.length + change.seq.length
        if (++count === Number(changes)) last = performance.now()
      }
    })
    feed.on('end', () => resolve({ first, last, letters }))
    feed.on('error', reject)
  })
}

function memory (name) {
  try {
    const kib = readFileSync('/proc/self/status', 'utf8').match(new RegExp(`^${name}:\\s*(\\d+)`, 'm'))[1]
    return kib * 1024 / 1e6
  } catch {
    return process.resourceUsage().maxRSS * 1024 / 1e6
  }
}

const idle = memory('VmRSS')
let { letters } = await readBacklog()
let operations = 0
let seconds = 0
let cpu = 0
let firsts = 0
const until = performance.now() + box * 1000
while (performance.now() < until) {
  const cpuBefore = process.cpuUsage()
  const began = performance.now()
  const read = await readBacklog()
  const used = process.cpuUsage(cpuBefore)
  operations += 1
  seconds += (read.last - began) / 1000
  cpu += used.user + used.system
  firsts += read.first - began
  letters = read.letters
}
const peak = memory('VmHWM')
console.log(JSON.stringify({
  operations,
  seconds,
  letters,
  cpu_us: cpu / operations,
  first_ms: firsts / operations,
  peak_mb: peak,
  above_idle_mb: peak - idle
}))

// Sends callbacks as a provider in Node would, and checks requests and callbacks
// as a merchant or a provider in Node would. It reads a list of instructions as
// JSON from standard input and prints a list of results.
'use strict'
const crypto = require('crypto')
const fs = require('fs')

const text = (value) => (value === null ? '' : String(value))
const hexHMAC = (key, message) => crypto.createHmac('sha256', key).update(message).digest('hex')
const same = (a, b) => a.length === b.length && crypto.timingSafeEqual(Buffer.from(a), Buffer.from(b))

const ptsText = (members, names, safecode) =>
  [...names].sort().map((name) => `${name}=${text(members[name])}`).join('&') + '&' + safecode

function ptsSeal (plain, safecode) {
  const cipher = crypto.createCipheriv('aes-256-ecb', safecode, null)
  return Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]).toString('base64')
}

function ptsOpen (sealed, safecode) {
  const cipher = crypto.createDecipheriv('aes-256-ecb', safecode, null)
  return Buffer.concat([cipher.update(sealed, 'base64'), cipher.final()]).toString('utf8')
}

const ptsHeader = (body, secret) => crypto.createHmac('sha256', secret).update(body).digest('base64')

const md5 = (message) => crypto.createHash('md5').update(message).digest('hex')
const sha256 = (message) => crypto.createHash('sha256').update(message).digest()

function payatomSeal (message, secret) {
  const key = sha256(secret)
  const iv = crypto.randomBytes(16)
  const cipher = crypto.createCipheriv('aes-256-cbc', key, iv)
  const sealed = Buffer.concat([cipher.update(md5(message + secret)), cipher.final()])
  const mac = crypto.createHmac('sha256', key).update(sealed).update(iv).digest()
  return Buffer.concat([iv, mac, sealed]).toString('base64')
}

function payatomMatches (hash, message, secret) {
  const key = sha256(secret)
  const blob = Buffer.from(hash, 'base64')
  const [iv, mac, sealed] = [blob.subarray(0, 16), blob.subarray(16, 48), blob.subarray(48)]
  if (!same(mac, crypto.createHmac('sha256', key).update(sealed).update(iv).digest())) return false
  const cipher = crypto.createDecipheriv('aes-256-cbc', key, iv)
  const digest = Buffer.concat([cipher.update(sealed), cipher.final()]).toString()
  return same(digest, md5(message + secret))
}

// pairs nests with brackets, as qs and jQuery do.
function pairs (members, prefix) {
  return Object.entries(members).flatMap(([name, value]) => {
    const whole = prefix ? `${prefix}[${name}]` : name
    return value !== null && typeof value === 'object' ? pairs(value, whole) : [[whole, text(value)]]
  })
}

const json = 'application/json'
const form = 'application/x-www-form-urlencoded'

function sendPtop (members, how, key) {
  let body = JSON.stringify(members)
  switch (how) {
    case 'header':
      return { type: json, headers: { 'X-Signature': hexHMAC(key, body) }, body }
    case 'spliced':
      return { type: json, headers: {}, body: JSON.stringify({ ...members, signature: hexHMAC(key, body) }) }
    case 'blanked': {
      const signature = hexHMAC(key, JSON.stringify({ signature: '', ...members }))
      return { type: json, headers: {}, body: JSON.stringify({ signature, ...members }) }
    }
    case 'form':
      body = new URLSearchParams(pairs(members)).toString()
      return { type: form, headers: {}, body: body + '&signature=' + hexHMAC(key, body) }
  }
}

function sendPTS (members, how, signed, keys) {
  const sign = crypto.sign('sha256', Buffer.from(ptsText(members, signed, keys.safecode)), keys.private_pem).toString('base64')
  const body = JSON.stringify({ ...members, sign })
  if (how === 'flat') return { type: json, headers: {}, body }
  if (how === 'object') return { type: json, headers: {}, body: `{"code":"1000","message":"ok","data":${body}}` }
  const sealed = ptsSeal(body, keys.safecode)
  const headers = { 'X-Transaction-Signature': ptsHeader(sealed, keys.transaction_secret) }
  if (how === 'text') return { type: 'text/plain', headers, body: sealed }
  return { type: json, headers, body: JSON.stringify({ data: sealed }) }
}

function sendPayatom (members, how, keys) {
  const message = members.order_id + text(members.received_amount) + members.status
  members = { ...members, post_hash: payatomSeal(message, keys.secret_key) }
  if (how === 'json') return { type: json, headers: {}, body: JSON.stringify(members) }
  return { type: form, headers: {}, body: new URLSearchParams(pairs(members)).toString() }
}

function send ({ provider, members, how, signed, keys }) {
  switch (provider) {
    case 'ptop': return sendPtop(members, how, keys.the_signature)
    case 'pts': return sendPTS(members, how, signed, keys)
  }
  return sendPayatom(members, how, keys)
}

function checkPTS ({ body, header, whole, signed, keys }) {
  let sealed = body
  let members
  if (body[0] === '{') {
    sealed = null
    members = JSON.parse(body)
    if (!('sign' in members)) {
      members = members.data
      sealed = typeof members === 'string' ? members : null
    }
  }
  if (sealed !== null) {
    const covered = whole ? body : sealed
    if (header !== undefined && !same(header, ptsHeader(covered, keys.transaction_secret))) return false
    members = JSON.parse(ptsOpen(sealed, keys.safecode))
  }
  const signature = Buffer.from(members.sign, 'base64')
  return crypto.verify('sha256', Buffer.from(ptsText(members, signed, keys.safecode)), keys.public_pem, signature)
}

function check (task) {
  const { what, body, header, signed, keys } = task
  if (what === 'pts') return checkPTS(task)
  if (what === 'ptop-header') return same(header, hexHMAC(keys.the_signature, body))
  const m = JSON.parse(body)
  switch (what) {
    case 'payatom':
      return payatomMatches(m.post_hash, signed.map((name) => text(m[name])).join(''), keys.secret_key)
    case 'payatom-reconcile':
      return same(m.signature, sha256(m.pid + keys.secret_key + m.date).toString('hex'))
    case 'ptop-payout':
      return same(m.signature, hexHMAC(keys.the_signature, [m.website_id, m.secret_key, m.reviverEmail, m.amount].join('|')))
  }
  throw new Error('nothing known to check: ' + what)
}

const tasks = JSON.parse(fs.readFileSync(0, 'utf8'))
console.log(JSON.stringify(tasks.map((task) => ('what' in task ? { ok: check(task) } : send(task)))))

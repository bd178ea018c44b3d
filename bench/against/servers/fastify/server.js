// Limits streams with fastify, fast-jwt and ioredis: a token lets a stream in where its account has
// room, masters go out with a signed ticket on each child, a ticket keeps the slot. Everything is as
// it comes, the origin asked with Node's own fetch. With TUNED=1 what verified is known again, calls
// to Redis are pipelined, and manifests are fetched by undici and kept for a second.
import { readFileSync } from 'node:fs'
import { createSigner, createVerifier } from 'fast-jwt'
import fastify from 'fastify'
import { Redis } from 'ioredis'
import { Pool } from 'undici'

const { PORT, REDIS_PORT, ORIGIN, TOKEN_SECRET, TOKEN_PEM, TICKET_SECRET, SCRIPT, TUNED } = process.env
const LIMIT = Number(process.env.LIMIT)
const TTL_MS = Number(process.env.TTL) * 1000

const cache = TUNED ? 65536 : false
const verifyTicket = createVerifier({ key: TICKET_SECRET, algorithms: ['HS256'], cache })
const verifiers = {
  HS256: createVerifier({ key: TOKEN_SECRET, algorithms: ['HS256'], cache }),
  ES256: createVerifier({ key: TOKEN_PEM, algorithms: ['ES256'], cache })
}
// The algorithm by the text of the header, which all tokens of an issuer have in common.
const algorithms = new Map()
const signTicket = createSigner({ key: TICKET_SECRET, algorithm: 'HS256', expiresIn: '12h' })
const redis = new Redis({ port: Number(REDIS_PORT), enableAutoPipelining: Boolean(TUNED) })
redis.defineCommand('admit', { numberOfKeys: 1, lua: readFileSync(SCRIPT, 'utf8') })
const origin = new Pool(`http://${ORIGIN}`, { connections: 64 })
const kept = new Map()

class Refusal extends Error {
  constructor(status, code) {
    super(code)
    this.status = status
  }
}

async function admit(account, stream) {
  if (!(await redis.admit(`streams:${account}`, stream, LIMIT, TTL_MS))) {
    throw new Refusal(429, 'stream_limit')
  }
}

function verifyToken(token) {
  const head = token.slice(0, token.indexOf('.'))
  if (!algorithms.has(head) && algorithms.size < 100) {
    algorithms.set(head, JSON.parse(Buffer.from(head, 'base64url')).alg)
  }
  return verifiers[algorithms.get(head)](token)
}

function read(verify, text, code) {
  try {
    return verify(text ?? '')
  } catch {
    throw new Refusal(401, code)
  }
}

async function fetchManifest(path) {
  const answer = await fetch(`http://${ORIGIN}${path}`)
  if (answer.status !== 200) {
    throw new Refusal(502, 'origin_invalid')
  }
  return answer.text()
}

async function fetchLean(path) {
  const { statusCode, body } = await origin.request({ path, method: 'GET' })
  const text = await body.text()
  if (statusCode !== 200) {
    throw new Refusal(502, 'origin_invalid')
  }
  return text
}

function manifest(path) {
  if (!TUNED) {
    return fetchManifest(path)
  }
  const known = kept.get(path)
  if (known && known.until > Date.now()) {
    return known.text
  }
  const text = fetchLean(path)
  kept.set(path, { text, until: Date.now() + 1000 })
  return text
}

const app = fastify({ logger: false })

app.get('/live/:channel/master.m3u8', async (request, reply) => {
  const { channel } = request.params
  const claims = read(verifyToken, request.query.token, 'token_invalid')
  const stream = `${claims.device_id}:${channel}`
  await admit(claims.sub, stream)
  const text = await manifest(`/live/${channel}/master.m3u8`)
  const ticket = signTicket({ sub: claims.sub, stream, channel })
  reply.header('Content-Type', 'application/vnd.apple.mpegurl').header('Cache-Control', 'no-store')
  return text.replace(/^[^#\n].*$/gm, (line) => `${line}?_sid=${ticket}`)
})

app.get('/live/:channel/:height/index.m3u8', async (request, reply) => {
  const { channel, height } = request.params
  const ticket = read(verifyTicket, request.query._sid, 'ticket_invalid')
  if (ticket.channel !== channel) {
    throw new Refusal(401, 'ticket_invalid')
  }
  await admit(ticket.sub, ticket.stream)
  reply.header('Content-Type', 'application/vnd.apple.mpegurl').header('Cache-Control', 'no-store')
  return manifest(`/live/${channel}/${height}/index.m3u8`)
})

app.get('/ready', async (_, reply) => {
  await redis.ping()
  return reply.code(204).send()
})

app.setErrorHandler((error, _, reply) => {
  const status = error.status ?? 500
  reply.code(status).header('Content-Type', 'application/problem+json')
  return JSON.stringify({ type: 'about:blank', title: 'Refused', status, code: error.message })
})

await app.listen({ host: '127.0.0.1', port: Number(PORT) })

-- What limits streams within nginx: a token (HS256, ES256) lets a stream in where its account has room, and
-- the master playlist goes out with a signed ticket on each child; a ticket keeps the stream's slot.
-- Slots are counted in Redis, by one script. `tuned` also remembers, in this worker: tokens and
-- tickets that verified, streams that Redis knows (asked again after a third of their TTL), refusals
-- (for a second) and manifests, masters cut where tickets go (for a second).
local ffi = require("ffi")
local base64 = require("ngx.base64")
local json = require("cjson.safe")
local lrucache = require("resty.lrucache")
local redis = require("nginx.redis")

ffi.cdef([[
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
unsigned char *HMAC(const EVP_MD *evp_md, const void *key, int key_len,
                    const unsigned char *d, size_t n, unsigned char *md, unsigned int *md_len);
]])

-- Its declarations need EVP_MD from above.
local es256 = require("es256")

local SHA256 = ffi.C.EVP_sha256()
local digest = ffi.new("unsigned char[32]")
local TICKET_SECONDS = 12 * 3600

local _M = {}
local settings, sha
local tokens, tickets, leases, refusals, manifests

function _M.setup(given)
  settings = given
  local file = assert(io.open(settings.script_file))
  settings.script = file:read("*a")
  file:close()
  settings.token_key = es256.key(settings.token_pem)
  if settings.tuned then
    tokens = lrucache.new(65536)
    tickets = lrucache.new(65536)
    leases = lrucache.new(65536)
    refusals = lrucache.new(4096)
    manifests = lrucache.new(1024)
  end
end

local function sign(secret, text)
  ffi.C.HMAC(SHA256, secret, #secret, text, #text, digest, nil)
  return base64.encode_base64url(ffi.string(digest, 32))
end

local function refuse(status, code)
  ngx.status = status
  ngx.header["Content-Type"] = "application/problem+json"
  ngx.header["Cache-Control"] = "no-store"
  if status == 429 then
    ngx.header["Retry-After"] = "6"
  end
  local body = '{"type":"about:blank","title":"Refused","status":' .. status .. ',"code":"' .. code .. '"}'
  ngx.header["Content-Length"] = #body
  ngx.print(body)
  return ngx.exit(ngx.HTTP_OK)
end

local function verify_token(token)
  local signed, head, body, signature = string.match(token, "^(([%w_-]+)%.([%w_-]+))%.([%w_-]+)$")
  local header = signed and json.decode(base64.decode_base64url(head) or "")
  local good = false
  if type(header) == "table" and header.alg == "HS256" then
    good = sign(settings.token_secret, signed) == signature
  elseif type(header) == "table" and header.alg == "ES256" then
    good = es256.verify(settings.token_key, signed, base64.decode_base64url(signature))
  end
  local claims = good and json.decode(base64.decode_base64url(body) or "")
  if type(claims) == "table" and type(claims.sub) == "string" then
    return claims
  end
end

local function token_claims(token)
  local claims = tokens and tokens:get(token)
  if not claims then
    claims = verify_token(token)
    if claims and tokens then
      tokens:set(token, claims)
    end
  end
  if claims and (claims.exp or 0) > ngx.time() and (claims.nbf or 0) <= ngx.time() then
    return claims
  end
end

-- A ticket is account~stream~channel~expiry~signature.
local function verify_ticket(ticket)
  local signed, account, stream, channel, expiry, signature =
    string.match(ticket, "^(([^~]+)~([^~]+)~([^~]+)~(%d+))~([%w_-]+)$")
  if not signed or sign(settings.ticket_secret, signed) ~= signature then
    return nil
  end
  return { account = account, stream = stream, channel = channel, expiry = tonumber(expiry) }
end

local function known_ticket(ticket)
  local known = tickets and tickets:get(ticket)
  if not known then
    known = verify_ticket(ticket)
    if known and tickets then
      tickets:set(ticket, known)
    end
  end
  if known and known.expiry > ngx.time() then
    return known
  end
end

local function ask_redis(account, stream)
  local client = redis:new()
  client:set_timeout(1000)
  local ok, problem = client:connect("127.0.0.1", settings.redis_port)
  if not ok then
    return nil, problem
  end
  local key, ttl = "streams:" .. account, settings.ttl * 1000
  local answer
  if sha then
    answer, problem = client:evalsha(sha, 1, key, stream, settings.limit, ttl)
  end
  if not sha or (problem and string.find(problem, "NOSCRIPT", 1, true)) then
    sha = client:script("LOAD", settings.script)
    answer, problem = client:evalsha(sha, 1, key, stream, settings.limit, ttl)
  end
  client:set_keepalive(60000, 256)
  return answer, problem
end

local function admit(account, stream)
  local slot
  if settings.tuned then
    slot = account .. "~" .. stream
    if leases:get(slot) then
      return
    end
    if refusals:get(slot) then
      return refuse(429, "stream_limit")
    end
  end
  local answer, problem = ask_redis(account, stream)
  if not answer then
    ngx.log(ngx.ERR, "redis: ", problem)
    return refuse(503, "store_unavailable")
  end
  if answer == 0 then
    if slot then
      refusals:set(slot, true, 1)
    end
    return refuse(429, "stream_limit")
  end
  if slot then
    leases:set(slot, true, settings.ttl / 3)
  end
end

-- Give a master in pieces, between which tickets go.
local function cut_master(uri)
  local pieces = manifests and manifests:get(uri)
  if pieces then
    return pieces
  end
  local answer = ngx.location.capture("/inner" .. uri)
  if answer.status ~= 200 then
    return nil, answer.status
  end
  pieces = {}
  local from = 1
  for after in string.gmatch(answer.body, "\n[^#\n][^\n]*()\n") do
    pieces[#pieces + 1] = string.sub(answer.body, from, after - 1)
    from = after
  end
  pieces[#pieces + 1] = string.sub(answer.body, from)
  if manifests then
    manifests:set(uri, pieces, 1)
  end
  return pieces
end

function _M.entry()
  local token = ngx.var.arg_token
  local claims = token and token_claims(token)
  if not claims then
    return refuse(401, token and "token_invalid" or "token_missing")
  end
  local uri = ngx.var.uri
  local channel = string.match(uri, "^/%w+/([^/]+)/")
  local stream = (claims.device_id or "") .. ":" .. channel
  admit(claims.sub, stream)
  local pieces, status = cut_master(uri)
  if not pieces then
    return ngx.exit(status)
  end
  local signed = table.concat({ claims.sub, stream, channel, ngx.time() + TICKET_SECONDS }, "~")
  local ticket = "?_sid=" .. signed .. "~" .. sign(settings.ticket_secret, signed)
  local body = table.concat(pieces, ticket)
  ngx.header["Content-Type"] = "application/vnd.apple.mpegurl"
  ngx.header["Content-Length"] = #body
  ngx.header["Cache-Control"] = "no-store"
  ngx.print(body)
end

function _M.child()
  local text = ngx.var.arg__sid
  local ticket = text and known_ticket(text)
  if not ticket or ticket.channel ~= string.match(ngx.var.uri, "^/%w+/([^/]+)/") then
    return refuse(401, "ticket_invalid")
  end
  admit(ticket.account, ticket.stream)
end

-- Answer with a playlist that nothing is put into, from memory.
function _M.playlist()
  local uri = ngx.var.uri
  local body = manifests:get(uri)
  if not body then
    local answer = ngx.location.capture("/inner" .. uri)
    if answer.status ~= 200 then
      return ngx.exit(answer.status)
    end
    body = answer.body
    manifests:set(uri, body, 1)
  end
  ngx.header["Content-Length"] = #body
  ngx.print(body)
end

return _M

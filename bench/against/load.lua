-- Asks for the paths of a file, one after another, again from its start when it ends; what came of
-- it is printed as one line of JSON. The last arguments are what a connection pauses on average before
-- each request, in milliseconds, and how many paths are left out at first.
local file, head, tail, pause

function init(args)
  file = assert(io.open(args[1]))
  head = wrk.method .. " "
  tail = " HTTP/1.1\r\nHost: " .. args[2] .. "\r\nUser-Agent: " .. args[3] .. "\r\n\r\n"
  pause = tonumber(args[4])
  if pause == 0 then
    delay = nil
  end
  for _ = 1, tonumber(args[5]) do
    file:read()
  end
end

function request()
  local path = file:read()
  if not path then
    file:seek("set")
    path = file:read()
  end
  return head .. path .. tail
end

function delay()
  return math.floor(math.random() * (2 * pause + 1)) -- wrk takes whole milliseconds
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "bytes": %d, "p50_ms": %.3f, "p99_ms": %.3f, '
      .. '"refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end

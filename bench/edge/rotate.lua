-- Sends requests that are ready in a file, one after the other and again from the first:
-- wrk -s rotate.lua URL -- FILE SENT LIMIT, with SENT requests of it sent before; with a LIMIT above 0, it ends when so many
-- have been sent. The last line of the output is what came of it.
local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, nanoseconds; } moment; int clock_gettime(int clock, moment *now);")
local MONOTONIC = 1

local requests, threads, limit, asked = {}, {}, 0, 0

local function microseconds()
  local now = ffi.new("moment")
  ffi.C.clock_gettime(MONOTONIC, now)
  return tonumber(now.seconds) * 1e6 + tonumber(now.nanoseconds) / 1e3
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  while true do
    local length = file:read("*n")
    if not length then break end
    file:read(1)
    table.insert(requests, file:read(length))
  end
  file:close()
  sent, limit = tonumber(args[2]), tonumber(args[3])
  began, ended = 0, 0
end

function request()
  asked = asked + 1
  if asked == 2 then began = microseconds() end -- the first one is wrk's own, to see what requests are like
  if limit > 0 and sent >= limit then
    -- What is still on its way is not waited for, and what this returns is not answered any more.
    if ended == 0 then ended = microseconds() end
    wrk.thread:stop()
    return requests[1]
  end
  local text = requests[sent % #requests + 1]
  sent = sent + 1
  return text
end

function done(summary, latency)
  local errors, first = summary.errors, threads[1]
  local duration = summary.duration
  if first:get("ended") > 0 then duration = first:get("ended") - first:get("began") end
  io.write(string.format(
    '\n{"requests":%d,"microseconds":%d,"refused":%d,"broken":%d,"p50":%d,"p99":%d,"sent":%d}\n',
    summary.requests, duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), first:get("sent")
  ))
end

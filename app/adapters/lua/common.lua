-- Shared by all scripts: ARGV[1] is the key prefix, ARGV[2] a time in milliseconds or '' for the server's clock.
local prefix = ARGV[1]
local now = tonumber(ARGV[2])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local function integer(n) return string.format('%.0f', n) end
local function count(amounts)
  -- totals that only grow, as JSON of names and amounts
  for name, amount in pairs(cjson.decode(amounts)) do redis.call('HINCRBY', prefix .. 'totals', name, integer(amount)) end
end
local function append(id, version, record)
  -- one log entry per version; its id is the version, so that the log cannot be appended to twice
  redis.call('XADD', prefix .. 'log:' .. id, integer(version) .. '-0', 'record', record)
  redis.call('PUBLISH', prefix .. 'changed', id)
end

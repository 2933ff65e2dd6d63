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
local QUANTUM = 1000  -- that far behind an owner's last job stands its next
local function stand(id, priority, lane, since)
  -- A place in the line of a priority: `lane` is the owner, as new or as come back. Mirrors Line.place (domain/order.py).
  local waiting, line, owners = prefix .. 'waiting:' .. priority, prefix .. 'line:' .. priority, prefix .. 'owners:' .. priority
  if redis.call('EXISTS', waiting) == 0 then  -- nobody waits, so nobody owes anything
    redis.call('DEL', owners)
    redis.call('DEL', line)
  end
  local marks = redis.call('HMGET', line, 'served', 'arrived')
  local served = tonumber(marks[1] or now)
  local is_new = string.sub(lane, 1, 1) == 'n'
  local first = served  -- what came back stands in front of those that were never claimed
  if is_new then first = math.max(served, tonumber(marks[2] or 0) + 1) end
  local last = redis.call('ZSCORE', owners, lane)
  local place = math.max(first, tonumber(last or 0) + QUANTUM)
  if not marks[1] then redis.call('HSET', line, 'served', integer(served)) end
  if is_new and place == first then redis.call('HSET', line, 'arrived', integer(place)) end
  redis.call('ZADD', owners, integer(place), lane)
  redis.call('ZADD', waiting, integer(place), id)
  redis.call('ZADD', prefix .. 'since:' .. priority, integer(since), id)
end
local function leave(place, id)
  redis.call('ZREM', prefix .. place, id)
  local priority = string.match(place, '^waiting:(.*)$')
  if priority then redis.call('ZREM', prefix .. 'since:' .. priority, id) end
end
local function enter(place, score, id, lane)
  -- the score of a line is since when the job waits: where in the line it stands is found here
  local priority = string.match(place, '^waiting:(.*)$')
  if priority then stand(id, priority, lane, score) else redis.call('ZADD', prefix .. place, score, id) end
end

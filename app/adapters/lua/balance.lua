-- Deliveries against waiting jobs of one priority. What was surplus for a while is trimmed here; what was missing for a
-- while is returned as a number, to be delivered by the caller. One too many costs an empty look, one too few a wait.
-- ARGV: priority, the queue's list, prefix of the deliveries' hashes, how long (ms) a difference must have stood
local waiting = redis.call('ZCARD', prefix .. 'waiting:' .. ARGV[3])
local owners, oldest = prefix .. 'owners:' .. ARGV[3], prefix .. 'since:' .. ARGV[3]
-- owners whose next job would stand in front anyway need not be remembered
local served = waiting > 0 and redis.call('HGET', prefix .. 'line:' .. ARGV[3], 'served')
local past = served and integer(served - QUANTUM) or '+inf'
local done = waiting > 0 and not served and {} or redis.call('ZRANGEBYSCORE', owners, '-inf', past, 'LIMIT', 0, 1000)
if #done > 0 then redis.call('ZREM', owners, unpack(done)) end
if redis.call('ZCARD', oldest) > waiting then  -- an older version took jobs, and knows nothing of this set
  for _, id in ipairs(redis.call('ZRANGE', oldest, 0, 999)) do
    if not redis.call('ZSCORE', prefix .. 'waiting:' .. ARGV[3], id) then redis.call('ZREM', oldest, id) end
  end
end
local difference = redis.call('LLEN', ARGV[4]) - waiting
local note, field = prefix .. 'missed', 'balance:' .. ARGV[3]
local since, least = string.match(redis.call('HGET', note, field) or '', '^(%d+):(-?%d+)$')
least = tonumber(least)
if difference == 0 then
  if since then redis.call('HDEL', note, field) end
  return 0
end
redis.call('HDEL', note, field)  -- first, so that a full Redis lets the script go on
if not since or (least < 0) ~= (difference < 0) then
  redis.call('HSET', note, field, integer(now) .. ':' .. integer(difference))
  return 0
end
if math.abs(difference) < math.abs(least) then least = difference end
if now - tonumber(since) < tonumber(ARGV[6]) then
  redis.call('HSET', note, field, since .. ':' .. integer(least))
  return 0
end
if least < 0 then return math.min(-least, 1000) end  -- in one sweep; more would outlast its turn, and others begin too
for _ = 1, math.min(least, 1000) do
  local delivery = redis.call('RPOP', ARGV[4])
  if delivery then redis.call('DEL', ARGV[5] .. delivery) end
end
return 0

-- A line of the list of what was done by hand: begun with its words, or a slice more of it. Only the newest are kept.
-- ARGV: operation, affected and failed in this slice, lines kept, then names and values of a line that begins
local line = prefix .. 'audit:' .. ARGV[3]
redis.call('HDEL', line, '')  -- a removal first: a full Redis lets the script go on then
if #ARGV > 6 then
  redis.call('HSET', line, unpack(ARGV, 7))
  redis.call('ZADD', prefix .. 'audit', redis.call('INCR', prefix .. 'audit:last'), ARGV[3])
  for _, old in ipairs(redis.call('ZRANGE', prefix .. 'audit', 0, -1 - ARGV[6])) do
    redis.call('DEL', prefix .. 'audit:' .. old)
    redis.call('ZREM', prefix .. 'audit', old)
  end
elseif redis.call('EXISTS', line) == 0 then
  return 0
end
redis.call('HINCRBY', line, 'affected', ARGV[4])
redis.call('HINCRBY', line, 'failed', ARGV[5])
return 1

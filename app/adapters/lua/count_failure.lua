-- One more wrong login within its window, which begins with the first; removed first, so that it counts in a full Redis.
-- ARGV: key, window in ms. Returns how many there were.
local times, left = tonumber(redis.call('GET', ARGV[3]) or 0) + 1, redis.call('PTTL', ARGV[3])
redis.call('DEL', ARGV[3])
redis.call('SET', ARGV[3], integer(times), 'PX', left > 0 and integer(left) or ARGV[4])
return times

-- Since when Redis has been back: now, if it is another server process than the sweep noted last, or nobody swept for 5 s
-- (it was away, or the machine was suspended). And since when it has been swept without a gap. A clock that was set back
-- counts as a gap of that length: else all that is noted would lie in the future until it has caught up.
-- ARGV: the server's run id, the longest time (ms) between two sweeps that is no gap. Returns these two and the present time.
local noted = redis.call('HMGET', prefix .. 'sweep', 'at', 'run_id', 'back', 'steady')
local at, back, steady = tonumber(noted[1]), noted[3], noted[4]
if not at or noted[2] ~= ARGV[3] or math.abs(now - at) > 5000 then back = integer(now) end
if not at or not steady or noted[2] ~= ARGV[3] or math.abs(now - at) > tonumber(ARGV[4]) then steady = integer(now) end
redis.call('DEL', prefix .. 'sweep')  -- a removal first: a full Redis lets the script go on then
redis.call('HSET', prefix .. 'sweep', 'at', integer(now), 'run_id', ARGV[3], 'back', back, 'steady', steady)
return {back, steady, integer(now)}

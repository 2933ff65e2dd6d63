-- Since when Redis has been back: now, if it is another server process than the sweep noted last, or nobody swept for 5 s
-- (it was away, or the machine was suspended). ARGV: the server's run id. Returns that time and the present one.
local noted = redis.call('HMGET', prefix .. 'sweep', 'at', 'run_id', 'back')
local back = noted[3]
if not noted[1] or noted[2] ~= ARGV[3] or now - noted[1] > 5000 then back = integer(now) end
redis.call('DEL', prefix .. 'sweep')  -- a removal first: a full Redis lets the script go on then
redis.call('HSET', prefix .. 'sweep', 'at', integer(now), 'run_id', ARGV[3], 'back', back)
return {back, integer(now)}

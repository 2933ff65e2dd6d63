-- The holder of a claim renews its lease; 0 when the claim is not its own any more.
-- ARGV: id, token, lease in ms, holder
local id = ARGV[3]
if redis.call('HGET', prefix .. 'job:' .. id, 'token') ~= ARGV[4] then return 0 end
-- leaving comes first, as in replace.lua: the job of a worker must not be lost because Redis is full
if redis.call('ZREM', prefix .. 'leases', id) == 1 then redis.call('ZADD', prefix .. 'leases', now + ARGV[5], id) end
redis.call('EXPIRE', prefix .. 'workers:' .. ARGV[6], 30)
return 1

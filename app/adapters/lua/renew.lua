-- The holder of a claim renews its lease; 0 when the claim is not its own any more.
-- ARGV: id, token, lease in ms, holder
local id = ARGV[3]
if redis.call('HGET', prefix .. 'job:' .. id, 'token') ~= ARGV[4] then return 0 end
redis.call('ZADD', prefix .. 'leases', 'XX', now + ARGV[5], id)
redis.call('EXPIRE', prefix .. 'workers:' .. ARGV[6], 30)
return 1

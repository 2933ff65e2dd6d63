-- A record becomes a tombstone, so that nothing restores it while its bytes are removed. 0: there is no such record.
-- ARGV: id, its status must be final ('1') or may be any ('')
local id = ARGV[3]
local job = prefix .. 'job:' .. id
local record = redis.call('HGET', job, 'record')
if not record then return 0 end
local decoded = cjson.decode(record)
if ARGV[4] == '1' and decoded.status ~= 'completed' and decoded.status ~= 'failed' then return 0 end
redis.call('DEL', job, prefix .. 'log:' .. id)  -- a removal first: a full Redis lets the script go on then, which needs it most
redis.call('ZADD', prefix .. 'tombs', now, id)
for _, place in ipairs({'jobs', 'pending', 'retrying', 'leases', 'spent', 'ended:completed', 'ended:failed',
    'ended:cancelled', 'newer', 'waiting:' .. decoded.priority}) do
  leave(place, id)
end
if decoded.failure then redis.call('ZREM', prefix .. 'failed:' .. decoded.failure.code, id) end
if decoded.claim then redis.call('HDEL', prefix .. 'workers:' .. decoded.claim.holder, 'jobId', 'token') end
local key = decoded.idempotency_key and prefix .. 'idem:' .. decoded.idempotency_key
if key and redis.call('HGET', key, 'job') == id then redis.call('DEL', key) end  -- a day later it may be another job's
redis.call('PUBLISH', prefix .. 'changed', id)
return 1

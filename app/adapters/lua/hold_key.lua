-- An Idempotency-Key on its way in. ARGV: key's digest, id to take if it is new, owner, hold in ms, seconds to keep it
-- Returns {'ours', id} | {'running', id} | {'done', id, fingerprint}
local key = prefix .. 'idem:' .. ARGV[3]
local entry = redis.call('HMGET', key, 'job', 'done', 'owner', 'until')
if entry[2] then return {'done', entry[1], entry[2]} end
if entry[3] and entry[3] ~= ARGV[5] and tonumber(entry[4]) > now then return {'running', entry[1]} end
local id = entry[1] or ARGV[4]
redis.call('HSET', key, 'job', id, 'owner', ARGV[5], 'until', integer(now + ARGV[6]))
redis.call('EXPIRE', key, ARGV[7])
return {'ours', id}

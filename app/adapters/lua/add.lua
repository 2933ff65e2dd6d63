-- A new job: record, places, first log entry. Finding its own id there is a success (a repeat, or a restored one).
-- ARGV: id, installation, record, idempotency key or '', its fingerprint, seconds to keep it, how long the log is kept (ms;
-- 0: the job is live), its owner's lane, then key/score pairs
local id, installation, record, idem = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if (redis.call('GET', prefix .. 'installation') or '') ~= installation then return {'foreign'} end
if redis.call('ZSCORE', prefix .. 'tombs', id) then return {'deleted'} end
local existing = redis.call('HGET', prefix .. 'job:' .. id, 'record')
if existing then return {'exists', existing} end
-- the record comes first: a Redis that is full refuses it, but would let a script go on that began with a removal
redis.call('HSET', prefix .. 'job:' .. id, 'record', record, 'version', '1')
redis.call('DEL', prefix .. 'log:' .. id)  -- of a record that is gone: the new one's begins at 1
for i = 11, #ARGV, 2 do enter(ARGV[i], ARGV[i + 1], id, ARGV[10]) end
if idem ~= '' then
  redis.call('HSET', prefix .. 'idem:' .. idem, 'job', id, 'done', ARGV[7])
  redis.call('HDEL', prefix .. 'idem:' .. idem, 'owner', 'until')
  redis.call('EXPIRE', prefix .. 'idem:' .. idem, ARGV[8])
end
append(id, 1, record)
if ARGV[9] ~= '0' then  -- listed from its result: its end was counted when it came
  redis.call('PEXPIRE', prefix .. 'log:' .. id, ARGV[9])
else
  redis.call('HINCRBY', prefix .. 'totals', 'accepted:' .. cjson.decode(record).priority, 1)
end
return {'added'}

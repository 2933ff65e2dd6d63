-- The next waiting job of a priority goes to a holder, in one step. Mirrors Job.claimed (a test holds the two together).
-- ARGV: priority, holder, token, lease in ms, '1' if the holder sees its own name in CLIENT LIST, newest schema known,
--       key of the delivery that led here or ''
-- Returns the record or '', the time, and the first job that was set aside on the way or ''.
local priority, holder, token = ARGV[3], ARGV[4], ARGV[5]
if ARGV[9] ~= '' then redis.call('DEL', ARGV[9]) end
local waiting, worker = prefix .. 'waiting:' .. priority, prefix .. 'workers:' .. holder
local held = redis.call('HMGET', worker, 'token', 'jobId')
if held[1] == token then  -- this very command, sent again because its answer was lost
  local again = redis.call('HMGET', prefix .. 'job:' .. held[2], 'record', 'token')
  if again[2] == token then return {again[1], integer(now), ''} end
end
if redis.call('SISMEMBER', prefix .. 'paused', priority) == 1 then return {'', integer(now), ''} end
local id, key, job
local newer = ''  -- the first that a newer version wrote: set aside, so that those behind it do not wait for that version
for _ = 1, 1000 do
  id = redis.call('ZRANGE', waiting, 0, 0)[1]
  if not id then break end
  key = prefix .. 'job:' .. id
  local stored = redis.call('HGET', key, 'record')
  job = stored and cjson.decode(stored)
  if job and job.schema <= tonumber(ARGV[8]) then break end
  redis.call('ZREM', waiting, id)
  if job then
    redis.call('ZADD', prefix .. 'newer', job.schema, id)
    if newer == '' then newer = id end
  end
  id = nil
end
if not id then return {'', integer(now), newer} end
if job.status == 'retrying' and not (job.failure and job.failure.code == 'worker_lost') then
  job.attempt = job.attempt + 1
end
job.status, job.version, job.updated_at, job.started_at = 'processing', job.version + 1, now, now
job.due_at, job.failure, job.queued_at = nil, nil, nil
job.claim = {token = token, holder = holder, since = now}
job.progress.step = 'Processing file'
if job.progress.pages_done == 0 then job.progress.details = 'Opening the file' end
local record = cjson.encode(job)
local seen = holder
if ARGV[7] ~= '1' then seen = '' end
redis.call('HSET', key, 'record', record, 'version', integer(job.version), 'token', token, 'holder', seen, 'since', integer(now))
redis.call('ZREM', waiting, id)
redis.call('ZREM', prefix .. 'retrying', id)
redis.call('ZREM', prefix .. 'pending', id)
redis.call('ZADD', prefix .. 'leases', now + ARGV[6], id)
redis.call('HSET', worker, 'token', token, 'jobId', id)
redis.call('EXPIRE', worker, 30)
append(id, job.version, record)
return {record, integer(now), newer}

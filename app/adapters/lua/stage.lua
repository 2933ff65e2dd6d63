-- Retries that are due go back to the front of the waiting, and so do jobs that an older version set aside.
-- Returns their ids and priorities, in turn.
-- ARGV: how many at most of each, the score that says "staged already", newest schema known
local due = redis.call('ZRANGEBYSCORE', prefix .. 'retrying', '-inf', integer(now), 'LIMIT', 0, ARGV[3])
local staged = {}
local function wait(id, job)
  stand(id, job.priority, 'b:' .. (job.user_id or ''), job.due_at or job.queued_at or job.updated_at)
  staged[#staged + 1] = id
  staged[#staged + 1] = job.priority
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'newer', '-inf', ARGV[5], 'LIMIT', 0, ARGV[3])) do
  redis.call('ZREM', prefix .. 'newer', id)
  local record = redis.call('HGET', prefix .. 'job:' .. id, 'record')
  local job = record and cjson.decode(record)
  local is_staged = job and tonumber(redis.call('ZSCORE', prefix .. 'retrying', id) or 0) == tonumber(ARGV[4])
  if job and (job.status == 'pending' or is_staged) then wait(id, job) end  -- else it was ended or deleted meanwhile
end
for _, id in ipairs(due) do
  local record = redis.call('HGET', prefix .. 'job:' .. id, 'record')
  if record then
    local job = cjson.decode(record)
    redis.call('ZREM', prefix .. 'retrying', id)  -- first, so that a full Redis lets the script go on
    redis.call('ZADD', prefix .. 'retrying', ARGV[4], id)
    wait(id, job)
    redis.call('PUBLISH', prefix .. 'changed', id)
  else
    redis.call('ZREM', prefix .. 'retrying', id)
  end
end
return staged

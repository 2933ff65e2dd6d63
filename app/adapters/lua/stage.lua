-- Retries that are due go back to their old place among the waiting. Returns their ids and priorities, in turn.
-- ARGV: how many at most, the score that says "staged already"
local due = redis.call('ZRANGEBYSCORE', prefix .. 'retrying', '-inf', integer(now), 'LIMIT', 0, ARGV[3])
local staged = {}
for _, id in ipairs(due) do
  local record = redis.call('HGET', prefix .. 'job:' .. id, 'record')
  if record then
    local job = cjson.decode(record)
    redis.call('ZADD', prefix .. 'retrying', ARGV[4], id)
    redis.call('ZADD', prefix .. 'waiting:' .. job.priority, job.created_at, id)
    redis.call('PUBLISH', prefix .. 'changed', id)
    staged[#staged + 1] = id
    staged[#staged + 1] = job.priority
  else
    redis.call('ZREM', prefix .. 'retrying', id)
  end
end
return staged

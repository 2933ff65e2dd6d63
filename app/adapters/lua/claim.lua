-- The next waiting job goes to a holder, in one step. Mirrors Job.claimed and Order.next (tests hold them together).
-- ARGV: priority, holder, token, lease in ms, '1' if the holder sees its own name in CLIENT LIST, newest schema known,
--       key of the delivery that led here or '', "priority:rank" of that priority and of the lower ones that are served,
--       after how many ms a job counts as one step higher (0: never), what the keys of RQ's lists and
--       of its jobs begin with
-- Returns the record or '', the time, and the first job that was set aside on the way or ''.
local priority, holder, token, aging = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[11])
redis.call('DEL', ARGV[9])  -- without a delivery too: a removal first, so that a full Redis lets the script go on
local worker = prefix .. 'workers:' .. holder
local held = redis.call('HMGET', worker, 'token', 'jobId')
if held[1] == token then  -- this very command, sent again because its answer was lost
  local again = redis.call('HMGET', prefix .. 'job:' .. held[2], 'record', 'token')
  if again[2] == token then return {again[1], integer(now), ''} end
end
local paused = {}
for _, name in ipairs(redis.call('SMEMBERS', prefix .. 'paused')) do paused[name] = true end
if paused[priority] then return {'', integer(now), ''} end

local function waited(name)
  -- how long the longest of a line has waited; what an older version took is dropped on the way
  local waiting, since = prefix .. 'waiting:' .. name, prefix .. 'since:' .. name
  for _ = 1, 100 do
    local row = redis.call('ZRANGE', since, 0, 0, 'WITHSCORES')
    if not row[1] then return 0 end
    local age = now - tonumber(row[2])
    if age < aging or redis.call('ZSCORE', waiting, row[1]) then return age end
    redis.call('ZREM', since, row[1])
  end
  return 0
end
local function risen_to(name, rank)
  -- the rank that the longest waiting of a line counts for, and how long it has counted for it
  local age = waited(name)
  local height = math.max(0, rank - math.floor(age / aging))
  return height, age - (rank - height) * aging
end
-- the line of the priority that was called for, and the lower one that has risen highest, at least to it, or longest ago
local own, risen
for name, rank in string.gmatch(ARGV[10], '(%a+):(%d+)') do
  rank = tonumber(rank)
  if not own then own = {name = name, rank = rank}
  elseif aging > 0 and not paused[name] then
    local height, over = risen_to(name, rank)
    if height <= own.rank and (not risen or height < risen.height or (height == risen.height and over > risen.over)) then
      risen = {name = name, height = height, over = over}
    end
  end
end
local line, marks = prefix .. 'line:' .. priority, {}
local turns = {own, risen}
local lane  -- where what has risen would stand in the line, as if it were one owner more
if risen then
  local front = redis.call('ZRANGE', prefix .. 'waiting:' .. priority, 0, 0, 'WITHSCORES')
  local height = risen_to(priority, own.rank)
  if risen.height < height or not front[1] then
    turns = {risen, own}
  elseif risen.height == height then
    marks = redis.call('HMGET', line, 'served', 'risen')
    lane = math.max(tonumber(marks[1] or 0), tonumber(marks[2] or 0) + QUANTUM)
    if lane <= tonumber(front[2]) then turns = {risen, own} end
  end
end

local id, place, key, job, from
local newer = ''  -- the first that a newer version wrote: set aside, so that those behind it do not wait for that version
for turn = 1, #turns do
  from = turns[turn].name
  for _ = 1, 1000 do
    id, place = unpack(redis.call('ZRANGE', prefix .. 'waiting:' .. from, 0, 0, 'WITHSCORES'))
    if not id then break end
    key = prefix .. 'job:' .. id
    local stored = redis.call('HGET', key, 'record')
    job = stored and cjson.decode(stored)
    if job and job.schema <= tonumber(ARGV[8]) then break end
    leave('waiting:' .. from, id)
    if job then
      redis.call('ZADD', prefix .. 'newer', job.schema, id)
      if newer == '' then newer = id end
    end
    id = nil
  end
  if id then break end
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
leave('waiting:' .. from, id)
redis.call('ZREM', prefix .. 'retrying', id)
redis.call('ZREM', prefix .. 'pending', id)
redis.call('ZADD', prefix .. 'leases', now + ARGV[6], id)
redis.call('HSET', worker, 'token', token, 'jobId', id)
redis.call('EXPIRE', worker, 30)
append(id, job.version, record)
local served = redis.call('HGET', prefix .. 'line:' .. from, 'served')  -- none where all that wait were put there by an older version
if served and tonumber(place) > tonumber(served) then
  redis.call('HSET', prefix .. 'line:' .. from, 'served', integer(tonumber(place)))
end
if from ~= priority then
  if lane then redis.call('HSET', line, 'risen', integer(lane)) end
  if ARGV[9] ~= '' then  -- the delivery that led here spoke of a job that waits still, and one of the line of `from` is too many
    if redis.call('EXISTS', prefix .. 'waiting:' .. priority) == 1 then
      redis.call('LMOVE', ARGV[12] .. from, ARGV[12] .. priority, 'LEFT', 'LEFT')
    else
      local surplus = redis.call('LPOP', ARGV[12] .. from)
      if surplus then redis.call('DEL', ARGV[13] .. surplus) end
    end
  end
end
return {record, integer(now), newer}

-- A job's record is replaced where it still has the version and the token that were read (and, if given, the lease that
-- was read). The version alone is no fence: a Redis that came back a second older counts the same versions once more, and
-- one claim may then write two records of one version, which its percentage tells apart: it grows with each of them.
-- ARGV: id, "<version>:<token>" as read, version, record, token, holder, since, lease read or '', log's life in ms (0: for ever),
--       holder let go or '', finished run as JSON or '', what the totals grow by as JSON or '', counters of the history that
--       go up or '', the lane it would wait in, percentage as read, number of places left, those, then
--       key/score pairs
local id = ARGV[3]
local job = prefix .. 'job:' .. id
local stands = redis.call('HMGET', job, 'version', 'token', 'record')
if (stands[1] or '') .. ':' .. (stands[2] or '') ~= ARGV[4] then return 0 end
if (string.match(stands[3] or '', '"percentage":(%d+)') or '0') ~= ARGV[17] then return 0 end
if ARGV[10] ~= '' and redis.call('ZSCORE', prefix .. 'leases', id) ~= ARGV[10] then return 0 end
-- leaving comes first: a Redis that is full lets a script go on that began with a removal, so that running jobs can end
local left = tonumber(ARGV[18])
for i = 19, 18 + left do leave(ARGV[i], id) end
redis.call('HSET', job, 'record', ARGV[6], 'version', ARGV[5], 'token', ARGV[7], 'holder', ARGV[8], 'since', ARGV[9])
for i = 19 + left, #ARGV, 2 do enter(ARGV[i], ARGV[i + 1], id, ARGV[16]) end
append(id, ARGV[5], ARGV[6])
if ARGV[11] == '0' then redis.call('PERSIST', prefix .. 'log:' .. id)
else redis.call('PEXPIRE', prefix .. 'log:' .. id, ARGV[11]) end
if ARGV[12] ~= '' then redis.call('HDEL', prefix .. 'workers:' .. ARGV[12], 'jobId', 'token') end
if ARGV[13] ~= '' then
  redis.call('LPUSH', prefix .. 'recent', ARGV[13])
  redis.call('LTRIM', prefix .. 'recent', 0, 499)
end
if ARGV[14] ~= '' then count(ARGV[14]) end
if ARGV[15] ~= '' then
  for width, kept in pairs({[60] = 7200, [900] = 266400}) do  -- one more hour than is shown
    local key = prefix .. 'history:' .. width .. ':' .. integer(math.floor(now / 1000 / width))
    local command = {'BITFIELD', key}
    for counter in string.gmatch(ARGV[15], '%d+') do
      for _, word in ipairs({'INCRBY', 'u32', '#' .. counter, '1'}) do command[#command + 1] = word end
    end
    if redis.call(unpack(command))[1] == 1 then redis.call('EXPIRE', key, kept) end
  end
end
return 1

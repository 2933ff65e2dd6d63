-- Holders that are not among Redis's clients: for how many ms has each been missed? Those seen again, or that nobody asks
-- about any more, are forgotten. A note is since when, and when it was looked at last: what was not looked at for a while
-- says nothing about what was in between. A look was made at some time between its beginning and now: a series counts from
-- the end of its first look to the beginning of its last. One that comes late, as its process stood still, or that a later
-- one has overtaken counts for nothing. Who renewed a claim in between was there, and is missed anew.
-- ARGV: when the look began (ms), the longest time (ms) between two looks, then the unseen, each with when it last renewed
local note, looked, gap = prefix .. 'missed', tonumber(ARGV[3]), tonumber(ARGV[4])
local ages, asked = {}, {looked = true}
local latest = tonumber(redis.call('HGET', note, 'looked') or 0)
if now - looked > gap or (looked < latest and latest <= now) then  -- later than now: the server's clock was set back
  for i = 5, #ARGV, 2 do ages[#ages + 1] = 0 end
  return ages
end
redis.call('HDEL', note, '')  -- a removal first: a full Redis lets the script go on then
redis.call('HSET', note, 'looked', integer(looked))
for i = 5, #ARGV, 2 do
  local since, last = string.match(redis.call('HGET', note, ARGV[i]) or '', '^(%d+):(%d+)$')
  local renewed = tonumber(ARGV[i + 1])
  if since and renewed <= now and renewed > tonumber(since) then since = nil end
  if not since or tonumber(last) > looked or looked - tonumber(last) > gap then since = integer(now) end
  redis.call('HSET', note, ARGV[i], since .. ':' .. integer(looked))
  ages[#ages + 1] = integer(math.max(0, looked - tonumber(since)))
  asked[ARGV[i]] = true
end
for _, field in ipairs(redis.call('HKEYS', note)) do
  if not asked[field] and string.sub(field, 1, 8) ~= 'balance:' then redis.call('HDEL', note, field) end
end
return ages

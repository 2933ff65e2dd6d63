-- Holders that are not among Redis's clients: for how many ms has each been missed? Those seen again, or that nobody asks
-- about any more, are forgotten. A note is since when, and when it was looked at last: what was not looked at for a while
-- says nothing about what was in between. A look that comes late, as its process stood still, counts for nothing.
-- ARGV: when it was looked (ms), the longest time (ms) between two looks, the unseen
local note, looked, gap = prefix .. 'missed', tonumber(ARGV[3]), tonumber(ARGV[4])
local ages, asked = {}, {}
if now - looked > gap then
  for i = 5, #ARGV do ages[#ages + 1] = 0 end
  return ages
end
redis.call('HDEL', note, '')  -- a removal first: a full Redis lets the script go on then
for i = 5, #ARGV do
  local since, last = string.match(redis.call('HGET', note, ARGV[i]) or '', '^(%d+):(%d+)$')
  if not since or looked - tonumber(last) > gap then since, last = integer(looked), looked end
  redis.call('HSET', note, ARGV[i], since .. ':' .. integer(math.max(looked, tonumber(last))))
  ages[#ages + 1] = integer(math.max(0, looked - tonumber(since)))
  asked[ARGV[i]] = true
end
for _, field in ipairs(redis.call('HKEYS', note)) do
  if not asked[field] and string.sub(field, 1, 8) ~= 'balance:' then redis.call('HDEL', note, field) end
end
return ages

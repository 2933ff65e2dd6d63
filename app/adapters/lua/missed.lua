-- Holders that are not among Redis's clients: since how many ms has each been missed? Those seen again are forgiven.
-- A note is since when, and when it was looked at last: what was not looked at for 5 s says nothing about what was in
-- between, and a holder that nobody asks about any more is forgotten.
-- ARGV: number of holders not seen, those, then the holders that were seen
local note, unseen = prefix .. 'missed', tonumber(ARGV[3])
local ages, asked = {}, {}
redis.call('HDEL', note, '')  -- a removal first: a full Redis lets the script go on then
for i = 4, 3 + unseen do
  local since, last = string.match(redis.call('HGET', note, ARGV[i]) or '', '^(%d+):(%d+)$')
  if not since or now - tonumber(last) > 5000 then since = integer(now) end
  redis.call('HSET', note, ARGV[i], since .. ':' .. integer(now))
  ages[#ages + 1] = integer(now - tonumber(since))
  asked[ARGV[i]] = true
end
for _, field in ipairs(redis.call('HKEYS', note)) do
  if not asked[field] and string.sub(field, 1, 8) ~= 'balance:' then redis.call('HDEL', note, field) end
end
return ages

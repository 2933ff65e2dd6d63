-- Holders that are not among Redis's clients: since how many ms has each been missed? Those seen again are forgiven.
-- ARGV: number of holders not seen, those, then the holders that were seen
local note, unseen = prefix .. 'missed', tonumber(ARGV[3])
local ages = {}
for i = 4, 3 + unseen do
  redis.call('HSETNX', note, ARGV[i], integer(now))
  ages[#ages + 1] = integer(now - redis.call('HGET', note, ARGV[i]))
end
for i = 4 + unseen, #ARGV do redis.call('HDEL', note, ARGV[i]) end
return ages

-- A small value is set, also where Redis is full: that lets a script go on that began with a removal.
-- ARGV: key, value, how long to keep it in ms, '1' if it may take nobody's place. 1 if it was set.
-- One that would be kept for longer than twice that is from before the server's clock was set back, and counts for nothing.
if ARGV[6] == '1' and redis.call('EXISTS', ARGV[3]) == 1 and redis.call('PTTL', ARGV[3]) <= 2 * ARGV[5] then return 0 end
redis.call('DEL', ARGV[3])
redis.call('SET', ARGV[3], ARGV[4], 'PX', ARGV[5])
return 1

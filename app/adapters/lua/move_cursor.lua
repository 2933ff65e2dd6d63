-- How far a walk has come; removed first, so that a full Redis takes it, which needs the walk most. ARGV: walk, value
redis.call('HDEL', prefix .. 'cursors', ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', prefix .. 'cursors', ARGV[3], ARGV[4]) end
return 1

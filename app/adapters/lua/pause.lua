-- A priority is paused; removed first, so that a full Redis, of all times, can be given a rest. ARGV: priority
redis.call('SREM', prefix .. 'paused', ARGV[3])
redis.call('SADD', prefix .. 'paused', ARGV[3])
return 1

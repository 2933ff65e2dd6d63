-- How a batch went: the last one, the newest few, and their totals; a removal first, so that a full Redis takes it.
-- ARGV: when, its numbers as JSON, outcome, the run as JSON, how many runs are kept
local batch, runs = prefix .. 'batch', prefix .. 'batch:runs'
redis.call('HDEL', batch, 'outcome')
redis.call('HSET', batch, 'lastRunAt', ARGV[3], 'lastResult', ARGV[4], 'outcome', ARGV[5])
redis.call('LPUSH', runs, ARGV[6])
redis.call('LTRIM', runs, 0, ARGV[7] - 1)
redis.call('HINCRBY', prefix .. 'totals', 'batches:' .. ARGV[5], 1)
return 1

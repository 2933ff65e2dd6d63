-- Only who holds a lock may extend it, or let it go (0 ms). ARGV: key, token, milliseconds
if redis.call('GET', ARGV[3]) ~= ARGV[4] then return 0 end
if ARGV[5] == '0' then return redis.call('DEL', ARGV[3]) end
return redis.call('PEXPIRE', ARGV[3], ARGV[5])

-- Says that a sidecar is alive, and tells the version of the kill switches.
--
-- KEYS: the table of living sidecars, the version.
-- ARGV: 1 sidecar, 2 milliseconds for which it counts as alive, 3 milliseconds after which a dead one
-- is forgotten.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Freeing comes first: a server that is full lets a script write that has begun like this, and who
-- is alive must be known also then.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('GET', KEYS[2]) or '0'

-- Switches an agent off or on, and tells every sidecar.
--
-- KEYS: the agents that are off, the version.
-- ARGV: 1 agent, 2 what is known of its switching off, '' to switch it on, 3 channel.
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
local version = redis.call('INCR', KEYS[2])
redis.call('PUBLISH', ARGV[3], version)
return tostring(version)

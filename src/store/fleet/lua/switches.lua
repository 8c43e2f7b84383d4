-- All agents that are off, with the version that they belong to.
--
-- KEYS: the agents that are off, the version.
return {redis.call('GET', KEYS[2]) or '0', redis.call('HGETALL', KEYS[1])}

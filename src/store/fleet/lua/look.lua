-- Looks how a run that somebody waits for is getting on.
--
-- KEYS: the claim, the table of living sidecars.
-- ARGV: 1 token of the run, 2 '1' when a silent sidecar may be believed dead.
local held = redis.call('HMGET', KEYS[1], 'state', 'token', 'owner', 'lease')
local state, token, owner, lease = unpack(held)

if state == 'done' then
  return {'done', lease, redis.call('HGET', KEYS[1], 'answer')}
end
if not state or token ~= ARGV[1] then
  return {'gone'}
end
if state == 'failed' then
  -- A run that was released keeps the state before it, whose answer is not this run's.
  local answer = redis.call('HGET', KEYS[1], 'answer')
  return answer and {'failed', lease, answer} or {'gone'}
end
if state == 'running' then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local until_ms = redis.call('ZSCORE', KEYS[2], owner)
  if ARGV[2] == '0' or (until_ms and tonumber(until_ms) > now) then
    redis.call('HSET', KEYS[1], 'waited', '1')
    return {'running'}
  end
end
return {'gone'}

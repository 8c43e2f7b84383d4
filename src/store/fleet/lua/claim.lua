-- Takes the claim of a key, or says who has it.
--
-- KEYS: the claim, the table of living sidecars.
-- ARGV: 1 token of this run, 2 sidecar, 3 lease of a key nobody had, 4 milliseconds that a run may
-- take, 5 'retry' or 'refuse' a claim in doubt, 6 fingerprint or '', 7 '1' when a silent sidecar may
-- be believed dead, 8 milliseconds for which a claim in doubt is kept.
local claim, alive = KEYS[1], KEYS[2]
local held = redis.call('HMGET', claim, 'state', 'token', 'owner', 'lease', 'fingerprint')
local state, token, owner, lease, fingerprint = unpack(held)

local function take(prior, kept)
  local known = ARGV[6] ~= '' and ARGV[6] or fingerprint or ''
  -- Nothing is freed before this write, so a server that is full refuses it.
  redis.call('HSET', claim, 'state', 'running', 'token', ARGV[1], 'owner', ARGV[2],
    'lease', kept, 'fingerprint', known, 'prior', prior)
  redis.call('HDEL', claim, 'answer', 'waited')
  redis.call('PEXPIRE', claim, ARGV[4])
  return {'ours', kept}
end

if not state then
  return take('', ARGV[3])
end
if fingerprint ~= '' and ARGV[6] ~= '' and fingerprint ~= ARGV[6] then
  return {'mismatch'}
end
if state == 'done' then
  return {'finished', lease, redis.call('HGET', claim, 'answer')}
end
if state == 'failed' then
  return take('failed', lease)
end
if state == 'running' then
  -- The answer to this very request was lost, and it is asked again.
  if token == ARGV[1] then
    return {'ours', lease}
  end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local until_ms = redis.call('ZSCORE', alive, owner)
  if ARGV[7] == '0' or (until_ms and tonumber(until_ms) > now) then
    redis.call('HSET', claim, 'waited', '1')
    return {'running', token}
  end
end
if ARGV[5] == 'refuse' then
  if state == 'running' then
    redis.call('HSET', claim, 'state', 'doubt')
    redis.call('PEXPIRE', claim, ARGV[8])
  end
  return {'doubt', lease}
end
return take('doubt', lease)

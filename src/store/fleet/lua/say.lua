-- Says how a run ended. Saying it twice changes nothing, so it can be repeated after a lost answer.
-- The first write of every branch frees something, because a server that is full lets such a script
-- write: it has room for the end of whatever it had room to begin.
--
-- KEYS: the claim.
-- ARGV: 1 'done', 'failed', 'released' or 'doubt', 2 token of the run, 3 lease, 4 milliseconds to keep
-- it, 5 the answer, 6 fingerprint or '', 7 channel for those who wait, 8 what to tell them.
local claim, ending = KEYS[1], ARGV[1]
local held = redis.call('HMGET', claim, 'state', 'token', 'lease', 'prior', 'waited', 'fingerprint')
local state, token, lease, prior, waited, fingerprint = unpack(held)
local ours = state == 'running' and token == ARGV[2]

if ending == 'done' then
  -- An answer settles its lease whoever runs it by now, and also when the claim was lost meanwhile.
  -- Another lease has nothing to do with it.
  if state == 'done' or (lease and lease ~= ARGV[3]) then
    return 0
  end
  redis.call('DEL', claim)
  redis.call('HSET', claim, 'state', 'done', 'token', ARGV[2], 'lease', ARGV[3],
    'fingerprint', fingerprint or ARGV[6], 'answer', ARGV[5])
elseif not ours then
  return 0
elseif ending == 'released' and prior == '' then
  redis.call('DEL', claim)
else
  redis.call('HDEL', claim, 'waited', 'answer')
  local rest = ending == 'released' and prior or ending
  redis.call('HSET', claim, 'state', rest)
  if ending == 'failed' then
    redis.call('HSET', claim, 'answer', ARGV[5])
  end
end
redis.call('PEXPIRE', claim, ARGV[4])
if waited then
  redis.call('PUBLISH', ARGV[7], ARGV[8])
end
return 1

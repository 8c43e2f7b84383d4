-- Counts a call against all caps of an agent, or against none if one of them is used up.
--
-- KEYS: the calls of the last hour, by second, with their `total` and the oldest second, `from`; the
-- counts of the day.
-- ARGV: 1 calls that an hour may have or '', 2 seconds of that hour, 3 tool, 4 calls of it that a day
-- may have or '', 5 millionths of a dollar that a day may cost or '', 6 what this call costs,
-- 7 seconds of a day.
local hour, day = KEYS[1], KEYS[2]
local window, length = tonumber(ARGV[2]), tonumber(ARGV[7])
local time = redis.call('TIME')
local now, millis = tonumber(time[1]), math.floor(time[2] / 1000)
local today = math.floor(now / length)
local until_tomorrow = ((today + 1) * length - now) * 1000 - millis

local function text(number)
  return string.format('%d', number)
end

-- A second counts until its last instant is an hour ago: never too many calls in an hour, and at most
-- a second too long.
local oldest = now - window
local from = tonumber(redis.call('HGET', hour, 'from') or now)
local total = tonumber(redis.call('HGET', hour, 'total') or '0')
local function calls_in(second)
  return tonumber(redis.call('HGET', hour, text(second)) or '0')
end
if oldest - from > window then
  redis.call('DEL', hour)
  from, total = now, 0
end
if from < oldest then
  for second = from, oldest - 1 do
    total = total - calls_in(second)
    redis.call('HDEL', hour, text(second))
  end
  from = oldest
  -- On to the next call, so that nobody walks over the same silence twice.
  while from < now and calls_in(from) == 0 do
    from = from + 1
  end
  redis.call('HSET', hour, 'from', text(from), 'total', text(total))
  redis.call('EXPIRE', hour, window + 1)
end
if redis.call('HGET', day, 'day') ~= text(today) then
  redis.call('DEL', day)
end

if ARGV[1] ~= '' and total >= tonumber(ARGV[1]) then
  -- The second with which enough is forgotten that there is room for one more.
  local left, second = total, from
  while second < now do
    left = left - calls_in(second)
    if left < tonumber(ARGV[1]) then
      break
    end
    second = second + 1
  end
  return {'hour', (second + window + 1 - now) * 1000 - millis}
end
local calls = tonumber(redis.call('HGET', day, 'tool:' .. ARGV[3]) or '0')
if ARGV[4] ~= '' and calls >= tonumber(ARGV[4]) then
  return {'tool', until_tomorrow}
end
local spent, price = tonumber(redis.call('HGET', day, 'spent') or '0'), tonumber(ARGV[6])
if ARGV[5] ~= '' and price > 0 and spent + price > tonumber(ARGV[5]) then
  return {'spend', until_tomorrow}
end

-- Only what has a cap is counted, so an agent without one leaves nothing here.
if ARGV[1] ~= '' then
  redis.call('HINCRBY', hour, text(now), 1)
  redis.call('HSET', hour, 'from', text(from), 'total', text(total + 1))
  redis.call('EXPIRE', hour, window + 1)
end
if ARGV[4] ~= '' then
  redis.call('HINCRBY', day, 'tool:' .. ARGV[3], 1)
end
if ARGV[5] ~= '' and price > 0 then
  redis.call('HINCRBY', day, 'spent', ARGV[6])
end
if redis.call('EXISTS', day) == 1 then
  redis.call('HSET', day, 'day', text(today))
  redis.call('PEXPIRE', day, until_tomorrow)
end
return {'counted', 0}

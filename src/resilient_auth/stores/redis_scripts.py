"""
What does the server do in one step? It runs a Lua script that touches one key.

One key is one slot, so every step works in a cluster; several steps are put in an order
in which a crash between them errs on the safe side (`resilient_auth.stores.redis`).
Each step may be sent twice: a driver repeats a command whose answer was lost. Where the
second run would read as somebody else's first, the script knows the call again.

Each field of a session's hash is JSON, and the row that a script returns is the array
of them: one text to receive and to parse, whatever is in it. Lua reads numbers alone.
Reads are scripts too: a cluster client sends those to primaries only, and no client
caches them.
"""

import hashlib
from dataclasses import dataclass, field

#: Seconds for which what ended is kept, by the server's own clock. `Auth.purge` drops
#: it after a day by the caller's; the second day is for clocks that differ.
KEEP = 172_800

#: The fields of a session's hash, in the order in which a row has them.
FIELDS = (
    "fixed",
    "claims",
    "generation",
    "kid",
    "rotated_at",
    "idle_expires_at",
    "expires_at",
    "revoked_at",
    "revoked_reason",
)
_READ = "local {}, call =\n  unpack(redis.call('HMGET', KEYS[1], {}, 'call'))".format(
    ", ".join(FIELDS), ", ".join(f"'{each}'" for each in FIELDS)
)
_ROW = "return '[' .. table.concat({{{}}}, ',') .. ']'".format(
    ", ".join(f"{each} or 'null'" for each in FIELDS)
)


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua *text* over one key, and the SHA-1 by which the server calls it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False)
        object.__setattr__(self, "sha", digest.hexdigest())


#: () → the row, or nothing
FIND = Script(f"""
{_READ}
if not fixed then
  return false
end
{_ROW}
""")

#: (seconds to keep, name, value, …) → 1, or 0 if another session has this id
OPEN = Script("""
local taken = redis.call('HGET', KEYS[1], 'fixed')
if taken then
  return taken == ARGV[3] and 1 or 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
""")

#: (call, generation, kid, now, idle, grace[, claims]) → the new row, or nothing
ROTATE = Script(f"""
local this_call, presented, new_kid, now, idle, grace, new_claims = unpack(ARGV)
{_READ}
if call ~= this_call then
  now = tonumber(now)
  if generation ~= presented or revoked_at
    or tonumber(rotated_at) > now - grace
    or tonumber(idle_expires_at) <= now
    or tonumber(expires_at) <= now
  then
    return false
  end
  generation = string.format('%d', generation + 1)
  kid = new_kid
  rotated_at = ARGV[4]
  idle_expires_at = string.format('%d', math.min(now + idle, expires_at))
  redis.call('HSET', KEYS[1], 'call', this_call, 'generation', generation, 'kid', kid,
    'rotated_at', rotated_at, 'idle_expires_at', idle_expires_at)
  if new_claims then
    claims = new_claims
    redis.call('HSET', KEYS[1], 'claims', claims)
  end
  if redis.call('TTL', KEYS[1]) < idle + {KEEP // 2} then
    redis.call('EXPIRE', KEYS[1], idle + {KEEP})
  end
end
{_ROW}
""")

#: (call, now, reason) → the ended row, or nothing
END = Script(f"""
local this_call, now, reason = unpack(ARGV)
{_READ}
if call ~= this_call then
  if not fixed or revoked_at then
    return false
  end
  revoked_at = now
  revoked_reason = reason
  redis.call('HSET', KEYS[1], 'call', this_call, 'revoked_at', revoked_at,
    'revoked_reason', revoked_reason)
  redis.call('EXPIRE', KEYS[1], {KEEP})
end
{_ROW}
""")

#: (before) → 1 if the session had ended before that and is gone, 0 if it stays
DROP = Script(f"""
{_READ}
if fixed then
  local ended_at = tonumber(revoked_at or math.min(idle_expires_at, expires_at))
  if ended_at >= tonumber(ARGV[1]) then
    return 0
  end
  redis.call('DEL', KEYS[1])
end
return 1
""")

#: (now, seconds to keep, score, member, …): an index only ever learns later scores,
#: forgets those long past (for the server too: a caller whose clock is days ahead must
#: not make it forget), and goes when nothing was added for long
NOTE = Script(f"""
for n = 4, #ARGV do
  redis.call('ZADD', KEYS[1], 'GT', ARGV[3], ARGV[n])
end
local past = math.min(ARGV[1], redis.call('TIME')[1]) - {KEEP}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%d', past))
if redis.call('TTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
""")

#: (lowest, highest, most) → the members with such scores
NOTED = Script("""
return redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
""")

#: (below, member, …): forget those whose score is lower
FORGET = Script("""
for n = 2, #ARGV do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[n])
  if score and tonumber(score) < tonumber(ARGV[1]) then
    redis.call('ZREM', KEYS[1], ARGV[n])
  end
end
""")

#: (call, seconds to keep) → 1 for the first call alone, however often it is sent
CONSUME = Script("""
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then
  return 1
end
return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0
""")

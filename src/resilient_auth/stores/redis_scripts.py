"""
What does the server do in one step? It runs a Lua script that touches one key.

One key is one slot, so every step works in a cluster; several steps are put in an order
in which a crash between them errs on the safe side (`resilient_auth.stores.redis`).
Each step may be sent twice: a driver repeats a command whose answer was lost. Where the
second run would read as somebody else's first, the script knows the call again.

Numbers are compared as numbers and stored as the text that came, so that Lua never
writes one down. Reads are scripts too: a cluster client sends those to primaries alone,
and no client caches them.
"""

import hashlib
from dataclasses import dataclass, field

#: The fields of a session's hash, in the order in which every script returns them.
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
_ROW = "redis.call('HMGET', KEYS[1], {})".format(", ".join(f"'{f}'" for f in FIELDS))


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua *text* over one key, and the SHA-1 by which the server calls it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False)
        object.__setattr__(self, "sha", digest.hexdigest())


#: () → the row
FIND = Script(f"return {_ROW}")

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

#: (call, presented, next, now, settled at, idle end, kid, claims or '', seconds to
#: keep) → the new row, or nothing
ROTATE = Script(f"""
local call, presented, following, now, settled_at, idle_end, kid, claims, keep =
  unpack(ARGV)
local row = redis.call('HMGET', KEYS[1], 'call', 'generation', 'revoked_at',
  'rotated_at', 'idle_expires_at', 'expires_at')
if row[1] ~= call then
  if row[2] ~= presented or row[3]
    or tonumber(row[4]) > tonumber(settled_at)
    or tonumber(row[5]) <= tonumber(now)
    or tonumber(row[6]) <= tonumber(now)
  then
    return false
  end
  if tonumber(row[6]) < tonumber(idle_end) then
    idle_end = row[6]
  end
  redis.call('HSET', KEYS[1], 'call', call, 'generation', following, 'kid', kid,
    'rotated_at', now, 'idle_expires_at', idle_end)
  if claims ~= '' then
    redis.call('HSET', KEYS[1], 'claims', claims)
  end
  redis.call('EXPIRE', KEYS[1], keep)
end
return {_ROW}
""")

#: (call, now, reason, seconds to keep) → the ended row, or nothing
END = Script(f"""
local call, now, reason, keep = unpack(ARGV)
local row = redis.call('HMGET', KEYS[1], 'call', 'fixed', 'revoked_at')
if row[1] ~= call then
  if not row[2] or row[3] then
    return false
  end
  redis.call('HSET', KEYS[1], 'call', call, 'revoked_at', now, 'revoked_reason', reason)
  redis.call('EXPIRE', KEYS[1], keep)
end
return {_ROW}
""")

#: (before) → 1 if the session had ended before that and is gone, 0 if it stays
DROP = Script("""
local row = redis.call('HMGET', KEYS[1], 'idle_expires_at', 'expires_at', 'revoked_at')
if not row[1] then
  return 1
end
local ended_at = row[3] and tonumber(row[3])
  or math.min(tonumber(row[1]), tonumber(row[2]))
if ended_at >= tonumber(ARGV[1]) then
  return 0
end
redis.call('DEL', KEYS[1])
return 1
""")

#: (forget below, seconds to keep, score, member, …): an index only ever learns later
#: scores, forgets the oldest, and goes when nothing was added for long
NOTE = Script("""
for n = 4, #ARGV do
  redis.call('ZADD', KEYS[1], 'GT', ARGV[3], ARGV[n])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1])
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

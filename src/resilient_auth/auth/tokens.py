"""Who makes and checks access tokens? An issuer and a verifier that stand alone."""

import secrets
from collections.abc import Mapping

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
from resilient_auth.core.jws import Keys, open_jws, sign_jws
from resilient_auth.core.ring import KeyRing
from resilient_auth.core.text import write_object
from resilient_auth.errors import ConfigError, Refused


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
        payload = write_object(claims)
        token = sign_jws(payload, self._ring.signing, typ=ACCESS_TOKEN_TYPE)
        longest = min(self._policy.max_issued_bytes, self._policy.max_token_bytes)
        if len(token) > longest:
            raise ValueError(
                f"The claims make a token of {len(token)} bytes, longer than {longest} "
                "(max_issued_bytes, max_token_bytes). Put fewer claims into it."
            )
        return token


class TokenVerifier:
    """
    Checks access tokens: signature, type and claims, offline.

    May be used from any thread. *keys* is a `KeyRing` or anything with ``find(kid)``.
    """

    def __init__(
        self, keys: Keys, policy: TokenPolicy, *, clock: Clock | None = None
    ) -> None:
        self._keys = keys
        self._policy = policy
        self._clock = clock or SystemClock()

    def verify(self, token: str | bytes) -> Claims:
        """
        Return what *token* claims, all of it checked.

        Raises `Refused` ``token_invalid``, ``token_expired`` or
        ``token_not_yet_valid``; its ``reason`` is exact and for the log alone.
        """
        claims = self.identify(token)
        judge_dates(claims, leeway=self._policy.leeway, now=self._clock.time())
        return claims

    def identify(self, token: str | bytes) -> Claims:
        """Return what *token* claims, dates unread: whose it is, not what it allows."""
        opened = open_jws(token, self._keys, max_bytes=self._policy.max_token_bytes)
        if opened.header.get("typ") != ACCESS_TOKEN_TYPE:
            raise Refused("token_invalid", reason="typ is not at+jwt")
        return read_claims(opened.payload, policy=self._policy)

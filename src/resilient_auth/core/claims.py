"""
What may an access token say? Composing and judging its claims (RFC 9068).

Issuing refuses what judging would refuse, so a token of ours is never a surprise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from resilient_auth.core.jws import MAX_TOKEN_BYTES
from resilient_auth.core.text import (
    freeze,
    is_date,
    is_identifier,
    read_object,
    write_object,
)
from resilient_auth.errors import ConfigError, Refused

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068 §2.1, a media type
#: Names that only the library writes.
RESERVED = frozenset(
    {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "gen"}
    | {"auth_time", "amr", "cnf", "client_id"}
)
_EMPTY: Mapping[str, Any] = MappingProxyType({})
MAX_ISSUED_BYTES = 4000  # with its name, a cookie that every browser stores


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPolicy:
    """
    Who issues access tokens, for whom, and how long they live (seconds).

    *max_ttl* is the longest ``exp - iat`` that is accepted; *leeway* is what clocks may
    differ by (at most 300); *max_token_bytes* is checked before anything is parsed.
    *max_issued_bytes* is the longest token that is made: by default one that fits into
    a cookie. Raise it, up to *max_token_bytes*, where no browser stores tokens.
    """

    issuer: str
    audience: str
    access_ttl: int = 600
    max_ttl: int = 86_400
    leeway: int = 30
    max_token_bytes: int = MAX_TOKEN_BYTES
    max_issued_bytes: int = MAX_ISSUED_BYTES

    def __post_init__(self) -> None:
        if not is_identifier(self.issuer) or not is_identifier(self.audience):
            raise ConfigError(
                "TokenPolicy needs issuer and audience: 1 to 256 plain characters, "
                'such as issuer="https://api.example.com".'
            )
        # A float would go into exp, and every verifier would refuse the token.
        numbers = ("access_ttl", "max_ttl", "leeway")
        for name in (*numbers, "max_token_bytes", "max_issued_bytes"):
            if type(getattr(self, name)) is not int:
                raise ConfigError(f"{name} is a whole number.")
        if not 0 < self.access_ttl <= self.max_ttl:
            raise ConfigError("access_ttl must be positive and at most max_ttl.")
        if not 0 <= self.leeway <= 300:
            raise ConfigError("leeway is 0 to 300 seconds; beyond that, fix the clock.")
        if not 512 <= self.max_token_bytes <= 65_536:
            raise ConfigError("max_token_bytes is 512 to 65,536.")
        if not 256 <= self.max_issued_bytes <= 65_536:
            raise ConfigError("max_issued_bytes is 256 to 65,536.")


class Claims(NamedTuple):
    """
    What a verified access token says; *extra* holds the application's own claims.

    Immutable, and so is all that is in it: one value may be given to many requests.
    """

    issuer: str
    subject: str
    audience: str
    issued_at: int
    not_before: int
    expires_at: int
    token_id: str
    session_id: str = ""
    generation: int = 0
    auth_time: int = 0
    amr: tuple[str, ...] = ()
    extra: Mapping[str, Any] = _EMPTY


def checked_extra(claims: Mapping[str, object] | None) -> Mapping[str, Any]:
    """
    Return *claims* as a frozen copy that a token can carry.

    Raises `TypeError` or `ValueError`, naming the claim, for a reserved or unfit name
    and for a value without an exact JSON form. Never changes what it was given.
    """
    if not claims:
        return _EMPTY
    if not isinstance(claims, Mapping):
        raise TypeError("Claims are a mapping from their names to their values.")
    for name in claims:
        if not is_identifier(name):
            raise ValueError("A claim's name is 1 to 256 plain characters.")
        if name in RESERVED:
            raise ValueError(f"The claim {name!r} is reserved; rename yours.")
    try:
        copy: Mapping[str, Any] = freeze(read_object(write_object(claims)))
    except TypeError as error:
        raise TypeError(f"A claim cannot be written as JSON: {error}") from None
    except ValueError as error:
        raise ValueError(f"A claim cannot be written as JSON: {error}") from None
    if not _all_names_are_text(claims):
        raise ValueError("Names inside a claim are text; JSON has no others.")
    return copy


def _all_names_are_text(value: object) -> bool:
    """Say whether JSON can keep every name in *value*; it writes 1 and None as text."""
    if isinstance(value, Mapping):
        return all(
            isinstance(name, str) and _all_names_are_text(each)
            for name, each in value.items()
        )
    if isinstance(value, list | tuple):
        return all(map(_all_names_are_text, value))
    return True


def compose(
    subject: str,
    extra: Mapping[str, Any],
    *,
    policy: TokenPolicy,
    now: int,
    expires_at: int,
    token_id: str,
) -> dict[str, Any]:
    """
    Return the claims of an access token, ready to be signed; reads no clock.

    Raises `TypeError` or `ValueError` for what `read_claims` would refuse.
    """
    if not is_identifier(subject):
        raise ValueError("subject is 1 to 256 plain characters (RFC 7519 §4.1.2).")
    if type(expires_at) is not int:
        raise TypeError("A token's life is a whole number of seconds.")
    if not now < expires_at <= now + policy.max_ttl:
        raise ValueError("A token's life is positive and at most max_ttl.")
    return {
        **extra,
        "iss": policy.issuer,
        "sub": subject,
        "aud": policy.audience,
        "iat": now,
        "exp": expires_at,
        "jti": token_id,
    }


def read_claims(payload: bytes, *, policy: TokenPolicy) -> Claims:
    """
    Return what *payload* claims, if it is of *policy*'s making; dates are not judged.

    Raises `Refused` ``token_invalid``.
    """
    try:
        said = read_object(payload)
    except ValueError as error:
        _refuse(f"payload: {error}")
    # What equals the policy's own text is a plain text, and need not be looked at.
    if said.get("iss") != policy.issuer:
        _require_text(said, "iss")
        _refuse("iss is another issuer")
    if said.get("aud") != policy.audience:
        _require_text(said, "aud")
        _refuse("aud is another audience")
    claims = _typed(said)
    if not 0 < claims.expires_at - claims.issued_at <= policy.max_ttl:
        _refuse("exp - iat is not within max_ttl")
    return claims


def judge_dates(claims: Claims, *, leeway: int, now: float) -> None:
    """
    Raise `Refused` unless *claims* are valid at *now*.

    They are from ``iat - leeway`` (or ``nbf``) and while ``now < exp + leeway``; the
    codes are ``token_not_yet_valid`` and ``token_expired``.
    """
    ahead = max(claims.issued_at, claims.not_before) - now
    if ahead > leeway:
        raise Refused(
            "token_not_yet_valid",
            retry_after=ahead - leeway,
            reason=f"valid in {ahead:.0f} s: the clocks differ",
        )
    if now >= claims.expires_at + leeway:
        ago = now - claims.expires_at
        raise Refused("token_expired", reason=f"expired {ago:.0f} s ago")


def _typed(said: dict[str, Any]) -> Claims:
    """Return *said* as `Claims`, each required one present and of its type."""
    _require_text(said, "sub")
    _require_text(said, "jti")
    for name in ("exp", "iat"):
        if not is_date(said.get(name)):
            _refuse(f"{name} is missing or not a whole number in range")
    for name in ("nbf", "gen", "auth_time"):
        if name in said and not is_date(said[name]):
            _refuse(f"{name} is not a whole number in range")
    if "sid" in said and not is_identifier(said["sid"]):
        _refuse("sid is not a plain text")
    amr = said.get("amr", ())
    if amr != () and (type(amr) is not list or not all(map(is_identifier, amr))):
        _refuse("amr is not a list of plain texts")
    extra = {name: freeze(each) for name, each in said.items() if name not in RESERVED}
    return Claims(
        said["iss"],
        said["sub"],
        said["aud"],
        said["iat"],
        said.get("nbf", 0),
        said["exp"],
        said["jti"],
        said.get("sid", ""),
        said.get("gen", 0),
        said.get("auth_time", 0),
        tuple(amr),
        MappingProxyType(extra),
    )


def _require_text(said: dict[str, Any], name: str) -> None:
    if not is_identifier(said.get(name)):
        _refuse(f"{name} is missing or not a plain text")


def _refuse(reason: str) -> NoReturn:
    raise Refused("token_invalid", reason=reason)

"""
Which key signs now, and which still verifies? A ring in which no step comes too early.

Theory of operation. A key goes through states, never back:

    announced ──> signing ──> verify_only ──> (retired: not in the ring)

    state         published  signs  verifies  may go on when it stayed
    announced     yes        no     yes       as long as a verifier may hold an old set
    signing       yes        yes    yes       until an announced one is ready
    verify_only   yes        no     yes       as long as a token that it signed may live

An announced key verifies, since in a rolling deployment another process may promote it
first. A key whose secret masters refresh tokens stays for the absolute life of a
session. `KeyRing.rotate` takes the next step and refuses one that comes too early; a
date that is missing (``since``) is a date that nobody can vouch for, so then it refuses
as well. A ring is immutable: each step returns a new one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NoReturn

from resilient_auth.core.claims import TokenPolicy
from resilient_auth.core.keys import Key, checked_kid, derive
from resilient_auth.core.sessions import SessionPolicy
from resilient_auth.core.weakness import refuse_weak
from resilient_auth.errors import ConfigError

ANNOUNCED, SIGNING, VERIFY_ONLY = "announced", "signing", "verify_only"
STATES = (ANNOUNCED, SIGNING, VERIFY_ONLY)
JWKS_MAX_AGE = 300  # seconds for which a verifier may keep our published set


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a ring and its state; *since* is Unix seconds, or None: not known."""

    key: Key
    state: str
    since: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.key, Key) or self.state not in STATES:
            raise ConfigError(f"An entry is a Key and one of {', '.join(STATES)}.")
        if self.since is not None and (type(self.since) is not int or self.since < 0):
            raise ConfigError("since is a whole number of Unix seconds.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """
    How long a key stays in a state at least, in seconds.

    *announced*: twice the life of a published set. *verify_only*: the longest life of
    a token, and the leeway. *master*: the same for a key that masters refresh tokens.
    """

    announced: int = 2 * JWKS_MAX_AGE
    verify_only: int = 86_400 + 30
    master: int = 2_592_000 + 30

    def __post_init__(self) -> None:
        for name in ("announced", "verify_only", "master"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise ConfigError(f"{name} is a whole number of seconds.")

    @classmethod
    def of(cls, policy: TokenPolicy, sessions: SessionPolicy | None = None) -> "Stays":
        """Return the shortest safe stays under these policies."""
        lives = sessions or SessionPolicy()
        return cls(
            verify_only=policy.max_ttl + policy.leeway,
            master=max(lives.absolute, policy.max_ttl) + policy.leeway,
        )


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class KeyRing:
    """
    The keys of one purpose: one signs, all verify. Immutable.

    Given plain keys, the last signs. *refresh_secrets* maps an id to a secret of at
    least 32 bytes, newest last. It masters refresh tokens and CSRF tokens, and is
    needed unless the ring is HMAC: then the masters are derived from its keys. Raises
    `ConfigError` for an empty ring, a repeated id, secrets beside asymmetric keys, or
    one secret used twice.
    """

    entries: tuple[Entry, ...]
    keys: tuple[Key, ...]
    _by_kid: Mapping[str, Key]
    _masters: Mapping[str, bytes]

    def __init__(
        self,
        keys: Iterable[Key] | Iterable[Entry],
        refresh_secrets: Mapping[str, bytes] | None = None,
    ) -> None:
        entries = _as_entries(keys)
        by_kid = {entry.key.kid: entry.key for entry in entries}
        if len(by_kid) != len(entries):
            raise ConfigError("Two keys of the ring share one kid; rename one.")
        if len({key.is_symmetric for key in by_kid.values()}) > 1:
            raise ConfigError(
                "HMAC secrets and asymmetric keys in one ring invite key confusion "
                "(RFC 8725 §3.1); use a ring for each."
            )
        masters = _masters(entries, refresh_secrets)
        object.__setattr__(self, "entries", entries)
        object.__setattr__(self, "keys", tuple(entry.key for entry in entries))
        object.__setattr__(self, "_by_kid", MappingProxyType(by_kid))
        object.__setattr__(self, "_masters", MappingProxyType(masters))

    @classmethod
    def from_text(cls, text: str, refresh: str = "") -> "KeyRing":
        """
        Return the ring written in *text*: a key file, or a list of secrets.

        A key file is a JWK set with private members whose keys carry ``ra_state`` and
        ``ra_since``. A list is ``kid:alg:base64`` of HMAC secrets, and *refresh*
        ``kid:base64`` of masters, separated by commas or white space, newest last.
        Raises `ConfigError`, quoting no secret.
        """
        from resilient_auth.core.keyfile import read_ring

        return read_ring(text, refresh)

    @classmethod
    def from_env(
        cls, name: str = "AUTH_KEYS", environ: Mapping[str, str] | None = None
    ) -> "KeyRing":
        """
        Return the ring in two variables, *name* and the same with ``_REFRESH``.

        `from_text` tells their forms.

        Raises `ConfigError` that names the variable if it is missing or unfit.
        """
        said = _environment() if environ is None else environ
        if not said.get(name, "").strip():
            raise ConfigError(
                f"{name} is not set. Make a key file with: resilient-auth keys generate"
            )
        try:
            return cls.from_text(said[name], said.get(f"{name}_REFRESH", ""))
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from None

    @property
    def signing(self) -> Key:
        """Return the key that signs."""
        return next(entry.key for entry in self.entries if entry.state == SIGNING)

    def find(self, kid: str) -> Key | None:
        """Return the key called *kid*, or None."""
        return self._by_kid.get(kid)

    def masters(self, purpose: str) -> Mapping[str, bytes]:
        """
        Return 32-byte secrets for *purpose* by kid, newest last (HKDF, RFC 5869).

        No two purposes share a secret, and none is a key of the ring. Raises
        `ConfigError` if the ring is asymmetric and has no ``refresh_secrets``.
        """
        if not self._masters:
            raise ConfigError(
                f"A ring of {self.signing.alg} keys needs refresh_secrets="
                "{kid: bytes} to master refresh and CSRF tokens."
            )
        return MappingProxyType(
            {kid: derive(master, purpose) for kid, master in self._masters.items()}
        )

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public set (RFC 7517 §5); `ConfigError` for a ring of secrets."""
        if self.signing.is_symmetric:
            raise ConfigError(
                "HMAC secrets are never published. For services that only verify, use "
                "asymmetric keys, such as Key.generate('EdDSA')."
            )
        return {"keys": [key.public_jwk() for key in self.keys]}

    def rotate(self, key: Key, now: int, *, stays: Stays | None = None) -> "KeyRing":
        """
        Return the ring after the next step of *key*: first announced, then signing.

        *now* is Unix seconds. A key that is new to the ring is announced. Given again,
        after its stay, it signs, and the one that signed only verifies. Keys that have
        served out go. Raises `ConfigError` that says from when on a step is safe, or
        which date is missing.
        """
        stays = stays or Stays()
        kept = tuple(each for each in self.entries if self._is_due(each, now, stays))
        state = next((e.state for e in self.entries if e.key.kid == key.kid), None)
        if state is None:
            waiting = [each.key.kid for each in kept if each.state == ANNOUNCED]
            if waiting:
                raise ConfigError(
                    f"{waiting[0]!r} is announced already; let it sign, or retire it."
                )
            return self._with((*kept, Entry(key, ANNOUNCED, now)))
        if state != ANNOUNCED:
            raise ConfigError(f"{key.kid!r} is {state}; a key never goes back.")
        if not key.can_sign:
            raise ConfigError(f"{key.kid!r} is public; give its private part.")
        return self._with(tuple(_promoted(each, key, now, stays) for each in kept))

    def retire(self, kid: str, now: int, *, successor: Key | None = None) -> "KeyRing":
        """
        Return the ring without *kid*, at once: for a key that has leaked.

        What it signed is refused from then on, and sessions that it mastered are over.
        If it signs, *successor* takes its place, or else the announced key; verifiers
        that hold an old set refuse its tokens until they fetch the new one.
        """
        leaving = next((each for each in self.entries if each.key.kid == kid), None)
        if leaving is None:
            raise ConfigError(f"There is no key {kid!r} in this ring.")
        kept = [each for each in self.entries if each is not leaving]
        if leaving.state != SIGNING:
            return self._with(tuple(kept))
        if successor is None:
            ready = [e.key for e in kept if e.state == ANNOUNCED and e.key.can_sign]
            if not ready:
                raise ConfigError(f"{kid!r} signs: give its successor.")
            successor = ready[0]
        kept = [each for each in kept if each.key is not successor]
        return self._with((*kept, Entry(successor, SIGNING, now)))

    def explain(self, kid: str, *, stays: Stays | None = None) -> str:
        """Say in words what *kid* does in this ring, and what may come next, when."""
        entry = next((each for each in self.entries if each.key.kid == kid), None)
        if entry is None:
            return "Not in this ring: what it signed is refused."
        does, then = _WORDS[entry.state]
        if entry.since is None:
            return f"{does}, since a time that is not known."
        since = f"{does}, since {_date(entry.since)}."
        if entry.state == SIGNING:
            return f"{since} {then}."
        due = entry.since + self._stay(entry, stays or Stays())
        return f"{since} {then} from {_date(due)} on."

    def _stay(self, entry: Entry, stays: Stays) -> int:
        if entry.state == ANNOUNCED:
            return stays.announced
        return stays.master if entry.key.kid in self._masters else stays.verify_only

    def _is_due(self, entry: Entry, now: int, stays: Stays) -> bool:
        """Say whether *entry* is still needed at *now*."""
        if entry.state == SIGNING:
            return True
        if entry.since is None:
            raise ConfigError(
                f"Nobody knows since when {entry.key.kid!r} is {entry.state}: write "
                "its ra_since (Unix seconds) into the key file."
            )
        return entry.state == ANNOUNCED or now < entry.since + self._stay(entry, stays)

    def _with(self, entries: tuple[Entry, ...]) -> "KeyRing":
        own = self.signing.is_symmetric and set(self._masters) <= set(self._by_kid)
        return KeyRing(entries, None if own else self._masters)

    def __repr__(self) -> str:
        return f"KeyRing({list(self.keys)!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key ring is not pickled or copied; build it where needed.")


_WORDS = {
    ANNOUNCED: ("Announced: published, verifies, does not sign", "It may sign"),
    SIGNING: ("Signs", "Announce its successor whenever you like"),
    VERIFY_ONLY: ("Verifies what it signed before", "It may go"),
}


def _as_entries(given: Iterable[Key] | Iterable[Entry]) -> tuple[Entry, ...]:
    if isinstance(given, Key):
        raise ConfigError("A KeyRing takes a list of keys, [key], not one key.")
    try:
        ring: list[Key | Entry] = list(given)
    except TypeError:
        raise ConfigError("A KeyRing takes a list of keys.") from None
    if not ring:
        raise ConfigError("A key ring needs at least one key.")
    keys = [each for each in ring if isinstance(each, Key)]
    if len(keys) == len(ring):
        older = (Entry(key, VERIFY_ONLY) for key in keys[:-1])
        return (*older, Entry(keys[-1], SIGNING))
    entries = tuple(each for each in ring if isinstance(each, Entry))
    if len(entries) != len(ring):
        raise ConfigError("A KeyRing takes keys alone, or entries alone.")
    if sum(entry.state == SIGNING for entry in entries) != 1:
        raise ConfigError("Exactly one key of a ring is signing.")
    return entries


def _promoted(entry: Entry, key: Key, now: int, stays: Stays) -> Entry:
    """Return *entry* as it is once *key* signs."""
    if entry.state == SIGNING:
        return replace(entry, state=VERIFY_ONLY, since=now)
    if entry.key.kid != key.kid or entry.since is None:
        return entry
    ready = entry.since + stays.announced
    if now < ready:
        raise ConfigError(
            f"{key.kid!r} was announced {now - entry.since} s ago: verifiers may not "
            f"know it yet. It may sign from {_date(ready)} on (in {ready - now} s)."
        )
    return Entry(key, SIGNING, now)


def _masters(
    entries: tuple[Entry, ...], given: Mapping[str, bytes] | None
) -> dict[str, bytes]:
    """Return the secrets that master refresh tokens, the one that is used last."""
    ordered = sorted(entries, key=lambda entry: entry.state == SIGNING)
    own = {e.key.kid: e.key._secret for e in ordered if e.key.is_symmetric}  # noqa: SLF001 - a ring may look into its keys
    if len(set(own.values())) != len(own):
        raise ConfigError("Two keys of the ring are one secret; a new kid is no key.")
    if not given:
        return own
    if not isinstance(given, Mapping):
        raise ConfigError("refresh_secrets maps a kid to bytes.")
    for kid, secret in given.items():
        checked_kid(kid)
        if not isinstance(secret, bytes):
            raise ConfigError(f"refresh_secrets[{kid!r}] is not bytes.")
        refuse_weak(secret, 32)
        if secret in own.values():
            raise ConfigError(
                f"refresh_secrets[{kid!r}] is also a signing secret; use one for each."
            )
    if len(set(given.values())) != len(given):
        raise ConfigError("Two refresh_secrets are the same; give each its own.")
    return dict(given)


def _environment() -> Mapping[str, str]:
    """Return the process's variables: read once, when a ring is built."""
    import os

    return os.environ


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

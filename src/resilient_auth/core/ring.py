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

from resilient_auth.core.entries import (
    ANNOUNCED,
    SIGNING,
    VERIFY_ONLY,
    Entry,
    as_entries,
    check_date,
    signing_key,
)
from resilient_auth.core.keys import Key, derive
from resilient_auth.core.macs import Masters
from resilient_auth.core.masters import checked_secrets, own_masters
from resilient_auth.core.stays import Stays
from resilient_auth.errors import ConfigError


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
    signing: Key  # the one that signs
    _by_kid: Mapping[str, Key]
    _refresh_secrets: Mapping[str, bytes]
    _masters: Mapping[str, bytes]

    def __init__(
        self,
        keys: Iterable[Key] | Iterable[Entry],
        refresh_secrets: Mapping[str, bytes] | None = None,
    ) -> None:
        entries = as_entries(keys)
        by_kid = {entry.key.kid: entry.key for entry in entries}
        if len(by_kid) != len(entries):
            raise ConfigError("Two keys of the ring share one kid; rename one.")
        if len({key.is_symmetric for key in by_kid.values()}) > 1:
            raise ConfigError(
                "HMAC secrets and asymmetric keys in one ring invite key confusion "
                "(RFC 8725 §3.1); use a ring for each."
            )
        if len({key.fingerprint for key in by_kid.values()}) != len(by_kid):
            raise ConfigError(
                "Two keys of the ring are one secret or one key pair; a new kid, or "
                "another algorithm, makes no new key."
            )
        given = checked_secrets(entries, refresh_secrets)
        masters = given or own_masters(entries)
        object.__setattr__(self, "entries", entries)
        object.__setattr__(self, "keys", tuple(entry.key for entry in entries))
        object.__setattr__(self, "signing", signing_key(entries))
        object.__setattr__(self, "_by_kid", MappingProxyType(by_kid))
        object.__setattr__(self, "_refresh_secrets", MappingProxyType(given))
        object.__setattr__(self, "_masters", MappingProxyType(masters))

    @classmethod
    def from_text(cls, text: str, refresh: str = "") -> "KeyRing":
        """
        Return the ring written in *text*: a key file, or a list of secrets.

        A key file is a JWK set with private members whose keys carry ``ra_state`` and
        ``ra_since``. A list is ``kid:alg:base64`` of HMAC secrets, and *refresh*
        ``kid:base64`` of masters, separated by commas or white space, newest last.
        *refresh* may also be a key file of HMAC secrets, which rotates like another.
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
        text, refresh = said.get(name, ""), said.get(f"{name}_REFRESH", "")
        if isinstance(text, str) and not text.strip():
            raise ConfigError(
                f"{name} is not set. Make a key file with: resilient-auth keys generate"
            )
        try:
            return cls.from_text(text, refresh)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from None

    def find(self, kid: str) -> Key | None:
        """Return the key called *kid*, or None."""
        return self._by_kid.get(kid)

    def masters(self, purpose: str) -> Masters:
        """
        Return the secrets of *purpose* by kid, newest last (HKDF, RFC 5869): opaque.

        No two purposes share a secret, and none is a key of the ring. Raises
        `ConfigError` if the ring is asymmetric and has no ``refresh_secrets``.
        """
        if not self._masters:
            raise ConfigError(
                f"A ring of {self.signing.alg} keys needs refresh_secrets="
                "{kid: bytes} to master refresh and CSRF tokens."
            )
        return Masters(
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
        if not isinstance(key, Key):
            raise ConfigError("rotate takes a Key: a new one, or ring.find(kid).")
        check_date(now, "now")
        stays = stays or Stays()
        kept = tuple(each for each in self.entries if self._is_needed(each, now, stays))
        mine = next((each for each in self.entries if each.key.kid == key.kid), None)
        if mine is None:
            waiting = [each.key.kid for each in kept if each.state == ANNOUNCED]
            if waiting:
                raise ConfigError(
                    f"{waiting[0]!r} is announced already; let it sign, or retire it."
                )
            return self._with((*kept, Entry(key, ANNOUNCED, now)))
        if mine.key.fingerprint != key.fingerprint or mine.key.alg != key.alg:
            raise ConfigError(
                f"The ring has another key called {key.kid!r}: verifiers know that "
                "one. Give the key that was announced, or a new kid."
            )
        if mine.state != ANNOUNCED:
            raise ConfigError(f"{key.kid!r} is {mine.state}; a key never goes back.")
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
        check_date(now, "now")
        leaving = next((each for each in self.entries if each.key.kid == kid), None)
        if leaving is None:
            raise ConfigError(f"There is no key {kid!r} in this ring.")
        kept = [each for each in self.entries if each is not leaving]
        if leaving.state != SIGNING:
            return self._with(tuple(kept))
        ready = [e.key for e in kept if e.state == ANNOUNCED and e.key.can_sign]
        heir = successor or next(iter(ready), None)
        if heir is None:
            raise ConfigError(f"{kid!r} signs: give its successor.")
        _check_heir(heir, leaving.key)
        others = [e for e in kept if e.key is not heir or e.state != ANNOUNCED]
        return self._with((*others, Entry(heir, SIGNING, now)))

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
        is_master = entry.key.is_symmetric and not self._refresh_secrets
        return stays.master if is_master else stays.verify_only

    def _is_needed(self, entry: Entry, now: int, stays: Stays) -> bool:
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
        return KeyRing(entries, self._refresh_secrets)

    def __repr__(self) -> str:
        return f"KeyRing({list(self.keys)!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key ring is not pickled or copied; build it where needed.")


_WORDS = {
    ANNOUNCED: ("Announced: published, verifies, does not sign", "It may sign"),
    SIGNING: ("Signs", "Announce its successor whenever you like"),
    VERIFY_ONLY: ("Verifies what it signed before", "It may go"),
}


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


def _check_heir(heir: Key, leaked: Key) -> None:
    """Raise `ConfigError` unless *heir* can sign where *leaked* did."""
    if not heir.can_sign:
        raise ConfigError(f"{heir.kid!r} is public; give its private part.")
    if heir.kid == leaked.kid or heir.fingerprint == leaked.fingerprint:
        raise ConfigError(
            f"The successor of {leaked.kid!r} is a new key with a new kid: verifiers "
            "that know the old one would go on trusting it."
        )


def _environment() -> Mapping[str, str]:
    """Return the process's variables: read once, when a ring is built."""
    import os

    return os.environ


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

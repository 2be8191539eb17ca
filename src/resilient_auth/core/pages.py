"""Which pages are ours? An exact list, and previews that differ in one label."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from resilient_auth.core.origins import Origin
from resilient_auth.errors import ConfigError

_STAR = "https://*."
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123 §2.1
_SCHEME = len("https://")


@dataclass(frozen=True, slots=True)
class Preview:
    """
    Every origin with exactly one label before *below*.

    >>> Preview.parse("https://*.preview.example.com").covers(
    ...     "https://pr-7.preview.example.com"
    ... )
    True
    """

    below: Origin

    @classmethod
    def parse(cls, text: str) -> "Preview":
        """
        Return what a developer wrote as ``https://*.preview.example.com``.

        Raises `ConfigError` for a star anywhere else, and for one over a public suffix,
        below which anybody can have a page.
        """
        # User information may be a password: it is not repeated.
        shown = "That" if "@" in text else repr(text)
        written = text.strip().lower()
        rest = written.removeprefix(_STAR) if written.startswith(_STAR) else ""
        try:
            below = Origin.parse(f"https://{rest}")
        except ConfigError:
            raise ConfigError(
                f"{shown} is no exact origin and no preview: write "
                "https://*.preview.example.com, one star for one label, and nothing "
                "behind the host but a port."
            ) from None
        preview = cls(below)
        # Below a suffix, a single label or an address no two previews are of one site.
        if preview.example().domain() != below.domain():
            raise ConfigError(
                f"{shown} covers a public suffix, below which anybody can have a page. "
                "Put previews under a domain of your own."
            )
        return preview

    def covers(self, origin: str) -> bool:
        """Say whether *origin*, as a browser sent it, is such a preview."""
        head, _, tail = origin.partition(".")
        return (
            tail == str(self.below)[_SCHEME:]
            and head.startswith("https://")
            and _LABEL.fullmatch(head, _SCHEME) is not None
        )

    def example(self) -> Origin:
        """Return one of the origins; browsers treat all of them alike."""
        return Origin("https", f"any.{self.below.host}", self.below.port)

    def __str__(self) -> str:
        return f"{_STAR}{str(self.below)[_SCHEME:]}"


class Pages:
    """
    The origins that may use a visitor's session; the one list behind every rule.

    Raises `ConfigError` for one string, for ``null``, and for what is neither an exact
    origin nor a preview.
    """

    __slots__ = ("_texts", "exact", "previews")

    def __init__(self, origins: Iterable[str]) -> None:
        if isinstance(origins, str):
            raise ConfigError("Give a list of origins; one string would be letters.")
        exact, previews = [], []
        for each in origins:
            if isinstance(each, str) and "*" in each:
                previews.append(Preview.parse(each))
            else:
                exact.append(Origin.parse(each))
        self.exact: tuple[Origin, ...] = tuple(exact)
        self.previews: tuple[Preview, ...] = tuple(previews)
        self._texts = frozenset(map(str, exact))

    def __contains__(self, origin: str) -> bool:
        """Say whether *origin*, byte by byte as a browser sent it, is one of ours."""
        return origin in self._texts or any(
            each.covers(origin) for each in self.previews
        )

    def examples(self) -> dict[str, Origin]:
        """Return an origin for each entry, to ask what browsers would do with it."""
        return {str(each): each for each in self.exact} | {
            str(each): each.example() for each in self.previews
        }

"""In which words is a refusal told? In the reader's language, where there is a text."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from resilient_auth.core.arguments import described
from resilient_auth.errors import PROBLEMS, ConfigError

_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
#: A range and its weight (RFC 9110 §12.5.4).
_RANGE = re.compile(
    r"[ \t]*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)[ \t]*"
    r"(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?"
)
_SURROGATE = re.compile("[\ud800-\udfff]")  # UTF-8 cannot carry one
_MAX_RANGES = 32
_MAX_TEXT = 500  # characters
_ENGLISH = "en"


class Message(NamedTuple):
    """A text, and the tag of its language (RFC 5646)."""

    text: str
    language: str


class Messages:
    """
    Texts for the codes of refusals, by language.

    ::

        Messages({"de": {"credentials_invalid": "Name oder Passwort ist falsch."}})

    A request's ``Accept-Language`` chooses among the languages given and English
    (lookup, RFC 4647 §3.4); *default* is for whoever asks for none of them. A code
    without a text of its own is told in English. Raises `ConfigError` for a language
    that is no tag, a code that is none, a text that cannot be shown, and a *default*
    without texts.
    """

    __slots__ = ("_default", "_texts")

    def __init__(
        self, texts: Mapping[str, Mapping[str, str]], *, default: str = _ENGLISH
    ) -> None:
        if not isinstance(texts, Mapping):
            raise ConfigError('Messages takes {"de": {"token_expired": "…"}}.')
        known = {_checked_tag(tag): _checked(tag, texts[tag]) for tag in texts}
        self._texts: dict[str, Mapping[str, Message]] = {_ENGLISH: {}, **known}
        if len(known) != len(texts):
            raise ConfigError("Two languages differ in upper and lower case alone.")
        if not isinstance(default, str) or default.lower() not in self._texts:
            raise ConfigError(f"default is one of {', '.join(self._texts)}.")
        self._default = default.lower()

    def find(self, code: str, accept_language: str) -> Message:
        """Return what *code* is in the best language for an ``Accept-Language``."""
        texts = self._texts[self._language(accept_language)]
        own = texts.get(code) or self._texts[_ENGLISH].get(code)
        return own or Message(PROBLEMS[code].title, _ENGLISH)

    def __repr__(self) -> str:
        return f"Messages({', '.join(self._texts)})"

    def _language(self, accept_language: str) -> str:
        for wanted in _ranges(accept_language):
            if wanted == "*":
                break
            for tag in _shorter(wanted):
                if tag in self._texts:
                    return tag
        return self._default


def _ranges(accept_language: str) -> list[str]:
    """Return the language ranges that are wanted, the most wanted first."""
    found = []
    for each in accept_language.split(",", _MAX_RANGES)[:_MAX_RANGES]:
        match = _RANGE.fullmatch(each)
        weight = float(match[2] or 1) if match else 0.0
        if match and weight > 0:
            found.append((weight, match[1].lower()))
    found.sort(key=lambda each: each[0], reverse=True)
    return [wanted for _, wanted in found]


def _shorter(tag: str) -> Iterator[str]:
    """Yield *tag*, and it again without its last parts: ``de-ch``, ``de``."""
    while tag:
        yield tag
        tag = tag.rpartition("-")[0]
        if tag[-2:-1] == "-":  # what one letter introduces went with the part after it
            tag = tag[:-2]


def _checked_tag(tag: object) -> str:
    if not isinstance(tag, str) or not _TAG.fullmatch(tag):
        raise ConfigError('A language is a tag such as "de" or "pt-BR".')
    return tag.lower()


def _checked(tag: str, texts: Mapping[str, str]) -> Mapping[str, Message]:
    if not isinstance(texts, Mapping):
        raise ConfigError(f"The texts of {tag} are a mapping from code to text.")
    for code, text in texts.items():
        if code not in PROBLEMS:
            known = ", ".join(sorted(PROBLEMS))
            raise ConfigError(f"There is no code {code!r}; the codes are {known}.")
        if not isinstance(text, str):
            raise ConfigError(f"{tag}, {code}: a text, not {described(text)}.")
        if not 0 < len(text) <= _MAX_TEXT or _SURROGATE.search(text):
            raise ConfigError(f"{tag}, {code}: 1 to {_MAX_TEXT} characters.")
    return MappingProxyType({code: Message(texts[code], tag) for code in texts})

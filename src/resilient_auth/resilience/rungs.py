"""
What may stand on a ladder? Functions that call a model, kept answers, and said text.

An answer is kept under a digest of the ladder's name and the call's arguments.
Whatever else it depends on, such as the user, belongs into *key*: two users with one
question share an answer. It is copied when it is kept and when it is given, so that
nobody changes what the next one is told.
"""

import copy
import hashlib
import inspect
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from resilient_auth.core import arguments
from resilient_auth.errors import ConfigError
from resilient_auth.resilience.functions import Kind, kind_of, marked, name_of
from resilient_auth.resilience.verdict import Judge, classify

_log = logging.getLogger("resilient_auth")


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer (of a stream: its items) and when it was given, in Unix seconds."""

    value: Any
    at: float


class AnswerStore(Protocol):
    """
    Where answers are kept for a bad day; both methods must return soon.

    What they raise is logged, and never costs an answer.
    """

    def get(self, key: str, /) -> Kept | None:
        """Return what is kept under *key*."""
        ...

    def put(self, key: str, kept: Kept, /) -> None:
        """Keep *kept* under *key* in place of what was there."""
        ...


class MemoryAnswers:
    """Keeps the answers used last, at most *most*; may be used from any thread."""

    def __init__(self, *, most: int = 1000) -> None:
        arguments.count("most", most)
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def get(self, key: str) -> Kept | None:
        """Return what is kept under *key*, or None."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, kept: Kept) -> None:
        """Keep *kept*; the answer that was not used for longest makes room."""
        with self._lock:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)


class Call:
    """A rung that calls a model."""

    __slots__ = ("fn", "guarded", "is_unique", "judge", "kind", "name", "place")

    def __init__(self, fn: Callable[..., Any], *, name: str = "") -> None:
        self.kind: Kind = kind_of(fn)
        self.fn: Callable[..., Any] = fn
        #: Where the function stands, and whether nothing else stands there.
        self.place: str = f"{getattr(fn, '__module__', '')}.{name_of(fn)}"
        self.is_unique: bool = inspect.isfunction(fn) and "<" not in self.place
        self.name: str = name or name_of(fn).rpartition(".")[2]
        found = marked(fn)
        #: Whether a `Resilience` counts its attempts.
        self.guarded: bool = found is not None
        #: What its failures mean, by the rules of who guards it.
        self.judge: Judge = classify if found is None else found.by.classify


class Cache:
    """A rung of kept answers, made by `cached`."""

    __slots__ = ("_key", "_store", "_warned", "max_age", "name")

    def __init__(
        self,
        store: AnswerStore,
        max_age: float,
        key: Callable[..., str] | None,
        name: str,
    ) -> None:
        arguments.methods("store", store, "get", "put")
        arguments.seconds("max_age", max_age)
        arguments.text("name", name)
        if key is not None and not callable(key):
            raise ConfigError("key takes a callable that returns a text.")
        self._store = store
        self._key = key
        self._warned = False
        self.max_age: float = max_age
        self.name: str = name

    def find(self, call: "Asked") -> Kept | None:
        """Return a copy of the answer that is kept for *call*, whatever its age."""
        found: list[Kept | None] = []
        with _tolerated():
            key = self._key_of(call)
            found.append(None if key is None else self._store.get(key))
            found.append(copy.deepcopy(found.pop()))
        return found[0] if found else None

    def keep(self, kept: Kept, call: "Asked") -> None:
        """Keep a copy of an answer for the next *call* that is the same."""
        with _tolerated():
            key = self._key_of(call)
            if key is not None:
                self._store.put(key, copy.deepcopy(kept))

    def _key_of(self, call: "Asked") -> str | None:
        """Return the digest of *call*; None, said once, if its arguments have none."""
        if self._key is not None:
            said: object = self._key(*call.args, **call.kwargs)
            if not isinstance(said, str) or not said:
                raise TypeError("The key of an answer is a text, not empty.")
        else:
            said = [call.args, call.kwargs]
        try:
            text = json.dumps([call.name, said], sort_keys=True)
        except (TypeError, ValueError, RecursionError):
            if not self._warned:
                self._warned = True
                _log.warning(
                    "No answer is kept: the arguments of the call are not plain JSON. "
                    "Say cached(…, key=…) what to keep it under."
                )
            return None
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@contextmanager
def _tolerated() -> Iterator[None]:
    """Log what a store, a key or a copy raises, by its type: it may quote an answer."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - none of them may cost an answer
        _log.error("An answer was neither kept nor found: %s", type(error).__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of a ladder: the *name* of its first rung, and the arguments."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Said:
    """A rung of fixed text, made by `say`."""

    __slots__ = ("_value", "name")

    def __init__(self, value: Any, name: str) -> None:
        arguments.text("name", name)
        self._value = value
        self.name: str = name

    def copied(self) -> Any:
        """Return a copy of the text; itself, where it is nothing that is copied."""
        with suppress(Exception):
            return copy.deepcopy(self._value)
        return self._value


def cached(
    store: AnswerStore,
    max_age: float,
    *,
    key: Callable[..., str] | None = None,
    name: str = "cached",
) -> Cache:
    """
    Return a rung that answers with what a rung answered earlier.

    Every answer is kept in *store*, and given again for up to *max_age* seconds to a
    call with the same arguments. They have to be plain JSON; otherwise, or where the
    answer depends on more than them, *key* takes them and returns the text to keep it
    under.
    """
    return Cache(store, max_age, key, name)


def say(value: Any, *, name: str = "said") -> Said:
    """
    Return the last rung: *value* (of a stream: its one item), even past the deadline.

    >>> say("The model is out. Your message is stored.").name
    'said'
    """
    return Said(value, name)


#: What a ladder is made of.
Rung = Call | Cache | Said


def rung(fn: Callable[..., Any], *, name: str) -> Call:
    """Return *fn* as a rung with another name than its own."""
    arguments.text("name", name)
    return Call(fn, name=name)

"""A wrong argument is told where it is given: which, what it takes, what came."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import ConfigError
from resilient_auth.core import arguments

SECRET = "hunter2"


class Clock:
    """An object that can be called, and has one method more."""

    tick = 1

    def __call__(self, event: object) -> None:
        """Do nothing."""

    def reset(self) -> None:
        """Do nothing."""


class AsyncClock:
    """An object whose call has to be awaited."""

    async def __call__(self, event: object) -> None:
        """Do nothing."""


async def awaited(event: object) -> None:
    """Do nothing, later."""


def plain(event: object) -> None:
    """Do nothing."""


def said(check: Callable[..., object], *given_: Any, **more: Any) -> str:
    """Return what *check* says against its arguments, or nothing."""
    try:
        check(*given_, **more)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("check", "value", "expected"),
    [
        (arguments.text, "", "x is a text with at least one character."),
        (arguments.text, b"x", "x is a text with at least one character."),
        (arguments.text, None, "x is a text with at least one character."),
        (arguments.flag, 1, "x is True or False, not an object of type int."),
        (arguments.flag, None, "x is True or False, not None."),
        (arguments.number, -0.1, "x is a finite number of at least 0, not -0.1."),
        (
            arguments.number,
            True,
            "x is a finite number of at least 0, not an object of type bool.",
        ),
        (
            arguments.number,
            "1",
            "x is a finite number of at least 0, not an object of type str.",
        ),
        (
            arguments.number,
            float("nan"),
            "x is a finite number of at least 0, not nan.",
        ),
        (
            arguments.number,
            float("inf"),
            "x is a finite number of at least 0, not inf.",
        ),
        (arguments.seconds, 0, "x is above 0 seconds; None or leaving it out is off."),
        (arguments.seconds, -1, "x is a finite number of at least 0, not -1."),
        (arguments.share, 0, "x is a share above 0 and at most 1, not 0."),
        (arguments.share, 1.1, "x is a share above 0 and at most 1, not 1.1."),
        (arguments.share, None, "x is a finite number of at least 0, not None."),
        (arguments.count, 0, "x is a whole number from 1, not 0."),
        (
            arguments.count,
            True,
            "x is a whole number from 1, not an object of type bool.",
        ),
        (arguments.count, 2.0, "x is a whole number from 1, not 2.0."),
        (arguments.several, "abc", "x takes a list, not one string: x=[…]."),
        (arguments.several, b"abc", "x takes a list, not one string: x=[…]."),
        (arguments.several, 7, "x takes a list, not an object of type int."),
        (arguments.several, None, "x takes a list, not None."),
    ],
)
def test_a_wrong_value_is_told_by_its_name(
    check: Callable[..., object], value: object, expected: str
) -> None:
    """The developer reads one line and knows which argument to change, and to what."""
    assert expected == said(check, "x", value)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (arguments.text, "a"),
        (arguments.flag, True),
        (arguments.flag, False),
        (arguments.number, 0),
        (arguments.number, 0.5),
        (arguments.number, 3),
        (arguments.seconds, 0.001),
        (arguments.seconds, 1),
        (arguments.share, 0.001),
        (arguments.share, 1),
        (arguments.count, 1),
    ],
)
def test_the_bounds_are_in(check: Callable[..., object], value: object) -> None:
    """What the message calls the limit is allowed."""
    assert "" == said(check, "x", value)


def test_a_count_may_start_elsewhere() -> None:
    """A pool may be empty, a history has two ends: *least* is the caller's."""
    assert "" == said(arguments.count, "x", 0, least=0)
    assert "x is a whole number from 2, not 1." == said(
        arguments.count, "x", 1, least=2
    )


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (1, int, ""),
        (1, int | str, ""),
        ("1", int, "x takes int, not an object of type str."),
        (1.0, int | str, "x takes int | str, not an object of type float."),
        (int, int, "x takes int, not the class int."),
        (None, int, "x takes int, not None."),
    ],
)
def test_an_object_of_another_kind_is_refused(
    value: object, kind: Any, expected: str
) -> None:
    """A class in the place of its object is the mistake that is made most."""
    assert expected == said(arguments.instance, "x", value, kind)


@pytest.mark.parametrize(
    ("value", "verbs", "expected"),
    [
        (Clock(), ["reset"], ""),
        (Clock, ["reset"], "x takes an object, not the class Clock: Clock(…)."),
        (
            Clock(),
            ["reset", "tick", "stop"],
            (
                "x takes an object with reset, tick, stop; "
                "an object of type Clock lacks tick, stop."
            ),
        ),
        (None, ["reset"], "x takes an object with reset; None lacks reset."),
    ],
    ids=["whole", "class", "parts-missing", "none"],
)
def test_an_object_is_known_by_its_methods(
    value: object, verbs: list[str], expected: str
) -> None:
    """Any object with the verbs will do; an attribute that cannot be called is none."""
    assert expected == said(arguments.methods, "x", value, *verbs)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "listeners takes a list, not one string: listeners=[…]."),
        (plain, "listeners takes a list, not an object of type function."),
        ([plain, 7], "A listener is a callable, not an object of type int."),
        ([Clock], "A listener is a callable, not the class Clock."),
        ([awaited], "A listener is called, not awaited: make it a plain def."),
        ([AsyncClock()], "A listener is called, not awaited: make it a plain def."),
    ],
    ids=["text", "bare", "number", "class", "async", "async-object"],
)
def test_listeners_are_plain_callables(value: object, expected: str) -> None:
    """A coroutine that nobody awaits would lose every event in silence."""
    assert expected == said(arguments.listeners_of, value)


def test_listeners_keep_their_order() -> None:
    """An iterator is read once, and its listeners are told in the order given."""
    clock = Clock()

    assert (plain, clock) == arguments.listeners_of(iter([plain, clock]))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (awaited, True),
        (AsyncClock(), True),
        (functools.partial(awaited, None), True),
        (plain, False),
        (Clock(), False),
        (print, False),
        (7, False),
    ],
    ids=repr,
)
def test_what_is_awaited_is_known_before_it_is_called(
    function: object, *, expected: bool
) -> None:
    """A call to find out would already be the effect."""
    assert expected == arguments.is_awaited(function)


@given(st.text(min_size=1).map(lambda text: SECRET + text), st.booleans())
def test_what_a_secret_says_is_never_told(
    text: str,
    binary: bool,  # noqa: FBT001 - hypothesis
) -> None:
    """Arguments change places: a password in the place of a store is logged else."""
    value = text.encode("utf-8", "replace") if binary else text
    told = [
        said(arguments.instance, "x", value, int),
        said(arguments.methods, "x", value, "get"),
        said(arguments.listeners_of, [value]),
        said(arguments.several, "x", value),
        said(arguments.flag, "x", value),
        said(arguments.number, "x", value),
        said(arguments.count, "x", value),
    ]

    assert all(told)
    assert not [each for each in told if SECRET in each]

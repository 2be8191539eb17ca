"""Every value of core is frozen and slotted; its defaults are the documented ones."""

import dataclasses
import importlib
import pkgutil
from typing import Any

import pytest

from resilient_auth import SessionPolicy, TokenPolicy, core

VALUES = sorted(
    {
        value
        for module in pkgutil.iter_modules(core.__path__, "resilient_auth.core.")
        for value in vars(importlib.import_module(module.name)).values()
        if isinstance(value, type)
        and dataclasses.is_dataclass(value)
        and value.__module__.startswith("resilient_auth.core.")
    },
    key=lambda value: value.__name__,
)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_a_value_that_was_checked_cannot_change(value: Any) -> None:
    """A decision may be kept, shared between threads and put into an event."""
    assert value.__dataclass_params__.frozen
    assert "__slots__" in vars(value)


@pytest.mark.parametrize("kind", [TokenPolicy, SessionPolicy])
def test_policies_are_built_by_name(kind: Any) -> None:
    """Two lifetimes in the wrong order would both be numbers."""
    with pytest.raises(TypeError):
        kind("https://api.example.com", "api")


def test_the_defaults_are_the_documented_ones() -> None:
    """Whoever relies on them must not find them changed (reference §4)."""
    tokens, sessions = TokenPolicy(issuer="i", audience="a"), SessionPolicy()

    assert (600, 86_400, 30, 8192) == (
        tokens.access_ttl,
        tokens.max_ttl,
        tokens.leeway,
        tokens.max_token_bytes,
    )
    assert (7 * 86_400, 30 * 86_400, 30, 5, 60) == (
        sessions.idle,
        sessions.absolute,
        sessions.grace,
        sessions.revocation_poll,
        sessions.revocation_max_stale,
    )

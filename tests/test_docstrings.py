"""The examples in docstrings run, in the package that is installed."""

import doctest
import importlib
import pkgutil

import pytest

import resilient_auth

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(resilient_auth.__path__, "resilient_auth.")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_are_true(name: str) -> None:
    """An example that lies is worse than none."""
    result = doctest.testmod(importlib.import_module(name))

    assert result.failed == 0

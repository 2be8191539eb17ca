"""Which browsers does a test run in? Each installed one; a missing one is told."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.browsers.chromium import Chromium
from tests.browsers.firefox import Firefox
from tests.browsers.loop import LoopThread
from tests.browsers.tab import Browser, Context

ENGINES = {"chromium": (Chromium, "chromium"), "firefox": (Firefox, "firefox-esr")}


@pytest.fixture(scope="session", params=ENGINES)
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Start each engine once; skip where it is missing, fail if it is required."""
    kind, binary = ENGINES[request.param]
    found = shutil.which(binary) or shutil.which(request.param)
    if found is None:
        missing = f"{binary} is not installed"
        if os.environ.get("REQUIRE_BROWSERS") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    loop = LoopThread()
    started = kind(found, loop)
    yield started
    started.close()
    loop.close()


@pytest.fixture
def user(browser: Browser) -> Iterator[Context]:
    """Return a user without cookies."""
    context = browser.new_context()
    yield context
    context.close()

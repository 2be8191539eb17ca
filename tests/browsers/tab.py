"""What can a test do in a browser? The same few verbs in every engine."""

import json
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

PATIENCE = 15.0  # seconds until a condition that does not come is a failure
_POLL = 0.05


class PageLeftError(Exception):
    """The page was left while a script of the test ran in it."""


class Tab(ABC):
    """One tab; selectors are CSS, scripts are JavaScript expressions."""

    #: Errors and warnings that the page logged, uncaught exceptions among them.
    console: list[str]

    @abstractmethod
    def goto(self, url: str) -> None:
        """Load *url* and wait until it is loaded."""

    @abstractmethod
    def evaluate(self, expression: str) -> Any:
        """Return the JSON value of *expression*; a promise is awaited."""

    @abstractmethod
    def click(self, selector: str) -> None:
        """Click the first visible match, as a person would."""

    @abstractmethod
    def type(self, text: str) -> None:
        """Type *text* into what has the focus."""

    @abstractmethod
    def press(self, key: str) -> None:
        """Press ``Tab``, ``Enter``, ``Escape`` or ``Shift+Tab``."""

    @abstractmethod
    def screenshot(self, path: Path, *, full: bool = False) -> None:
        """Write a picture of the viewport, or of the *full* page."""

    @abstractmethod
    def resize(self, width: int, height: int, *, scale: float = 1) -> None:
        """Set the viewport in CSS pixels; *scale* is the device's pixel ratio."""

    @abstractmethod
    def close(self) -> None:
        """Close the tab."""

    def fill(self, selector: str, text: str) -> None:
        """Put *text* into a field, over what stood there."""
        self.click(selector)
        self.evaluate(f"document.querySelector({json.dumps(selector)}).select()")
        self.type(text)

    def text(self, selector: str) -> str:
        """Return the visible text of the first match, nothing if there is none."""
        found = self.evaluate(
            f"(document.querySelector({json.dumps(selector)}) || {{}}).innerText || ''"
        )
        return str(found)

    def _holds(self, condition: str) -> bool:
        try:
            return bool(self.evaluate(f"!!({condition})"))
        except PageLeftError:
            return False

    def wait_for(self, condition: str, *, within: float = PATIENCE) -> None:
        """Wait until the expression *condition* is true; show the page if it is not."""
        deadline = time.monotonic() + within
        while not self._holds(condition):
            if time.monotonic() > deadline:
                raise AssertionError(self._state(condition, within))
            time.sleep(_POLL)

    def wait_for_text(self, selector: str, part: str, **how: float) -> None:
        """Wait until a match of *selector* shows *part*."""
        which = f"document.querySelectorAll({json.dumps(selector)})"
        shows = f"each => each.innerText.includes({json.dumps(part)})"
        self.wait_for(f"[...{which}].some({shows})", **how)

    def _state(self, condition: str, within: float) -> str:
        shown = (
            "location.href + '\\n' + document.title + '\\n' + document.body?.innerText"
        )
        page = str(self.evaluate(shown))[:3000]
        console = "\n".join(self.console)
        return f"not within {within} s: {condition}\n--- {page}\n--- console\n{console}"


class Context(ABC):
    """One user's browser: tabs that share cookies with each other alone."""

    @abstractmethod
    def open(self, url: str) -> Tab:
        """Open *url* in a new tab."""

    @abstractmethod
    def cookies(self) -> dict[str, dict[str, Any]]:
        """Return what is stored: name → ``httpOnly``, ``secure``, ``sameSite``."""

    @abstractmethod
    def prefer_dark(self) -> None:
        """Let tabs opened from now on see ``prefers-color-scheme: dark``."""

    @abstractmethod
    def close(self) -> None:
        """Close its tabs and forget its cookies."""


class Browser(ABC):
    """A running engine."""

    name: str

    @abstractmethod
    def new_context(self) -> Context:
        """Return a user without cookies."""

    @abstractmethod
    def close(self) -> None:
        """End the browser."""

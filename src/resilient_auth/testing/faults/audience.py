"""Who is connected? The open links, counted for a test and ended by the server."""

import threading

from resilient_auth.testing.faults.link import Link


class Audience:
    """The links that are open now; safe from any thread."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._links: set[Link] = set()

    def met(self, link: Link) -> None:
        """Add *link*."""
        with self._change:
            self._links.add(link)

    def lost(self, link: Link) -> None:
        """Take *link* away."""
        with self._change:
            self._links.discard(link)
            self._change.notify_all()

    def links(self) -> list[Link]:
        """Return the links that are open."""
        with self._change:
            return list(self._links)

    def wait_gone(self, timeout: float) -> None:
        """Block until no link is open. Raises: TimeoutError."""
        with self._change:
            if not self._change.wait_for(lambda: not self._links, timeout):
                raise TimeoutError(
                    f"{len(self._links)} connections are still open after {timeout} s."
                )

"""Whose session is it? The sessions of each subject, in the order of their opening."""

from collections.abc import Iterable


class Subjects:
    """
    Session ids by subject; not safe for threads.

    Most have one session. It stands alone; a dictionary for it would be a sixth of
    what the whole session takes.
    """

    def __init__(self) -> None:
        self._ids: dict[str, str | dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, subject: str, session_id: str) -> None:
        """Add a session of *subject*."""
        known = self._ids.setdefault(subject, session_id)
        if isinstance(known, dict):
            known[session_id] = None
        elif known != session_id:
            self._ids[subject] = dict.fromkeys((known, session_id))

    def remove(self, subject: str, session_id: str) -> None:
        """Remove a session of *subject*, if it is there."""
        known = self._ids.get(subject)
        if isinstance(known, dict):
            known.pop(session_id, None)
        if known in (session_id, {}):
            del self._ids[subject]

    def of(self, subject: str) -> Iterable[str]:
        """Return the sessions of *subject*, the oldest first."""
        known = self._ids.get(subject, {})
        return (known,) if isinstance(known, str) else tuple(known)

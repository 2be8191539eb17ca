"""
Whose turn is it? Every error of the library, by who can act on it.

::

    ResilientAuthError
    ├── ConfigError                the developer: raised when a value is built
    │   ├── DuplicateModelError        two ORM classes under one name (a TypeError)
    │   └── MissingDependency          an extra is not installed (an ImportError)
    └── AnswerError                becomes an HTTP answer
        ├── Refused                    the client: 4xx, with the action that helps
        ├── Unavailable                nobody: try again later, 503
        │   ├── CircuitOpen                the breaker of this key is open
        │   ├── BulkheadFull               too many calls of this kind already run
        │   ├── DeadlineExceeded           the time for the whole request is spent
        │   ├── StreamInterrupted          a stream stopped midway; carries what came
        │   └── CommitOutcomeUnknown       a transaction may or may not have been saved
        └── InternalError              us: an unhandled exception, without its text

``code`` is public, stable and coarse: it is no oracle. ``reason`` is exact and
private: it goes to the event and the log, never into ``problem()``.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Problem:
    """What the public is told about one code (RFC 9457): a row of `PROBLEMS`."""

    status: int
    action: str
    title: str
    oauth_error: str = ""  # RFC 6749 §5.2, RFC 6750 §3.1, RFC 9470 §3


_INVALID = "invalid_token"
_GRANT = "invalid_grant"

#: Every public code, with its HTTP status, the client's next action (the closed set
#: ``refresh login step_up wait retry csrf give_up``) and an English title.
PROBLEMS: Mapping[str, Problem] = MappingProxyType(
    {
        "request_invalid": Problem(400, "give_up", "The request is not valid."),
        "token_missing": Problem(401, "login", "You are not logged in."),
        "credentials_invalid": Problem(
            401, "login", "The name or the password is wrong.", _GRANT
        ),
        "token_invalid": Problem(401, "login", "The token is not valid.", _INVALID),
        "token_expired": Problem(401, "refresh", "The token has expired.", _INVALID),
        "token_not_yet_valid": Problem(
            401, "retry", "The token is not valid yet.", _INVALID
        ),
        "session_expired": Problem(401, "login", "The session has ended.", _GRANT),
        "session_idle": Problem(
            401, "login", "The session ended because it was not used.", _GRANT
        ),
        "session_revoked": Problem(401, "login", "The session was ended.", _GRANT),
        "refresh_missing": Problem(401, "login", "There is no refresh token."),
        "refresh_invalid": Problem(
            401, "login", "The refresh token is not valid.", _GRANT
        ),
        "refresh_reused": Problem(
            401, "login", "The refresh token was used before.", _GRANT
        ),
        "cookie_duplicate": Problem(
            401, "login", "A cookie of the session came twice.", _INVALID
        ),
        "user_disabled": Problem(401, "login", "The account is disabled.", _GRANT),
        "step_up_required": Problem(
            401,
            "step_up",
            "Please confirm who you are.",
            "insufficient_user_authentication",
        ),
        "csrf_failed": Problem(
            403, "csrf", "The request could not be tied to your page."
        ),
        "origin_denied": Problem(403, "give_up", "This origin is not allowed."),
        "permission_denied": Problem(
            403, "give_up", "You are not allowed to do this.", "insufficient_scope"
        ),
        "not_found": Problem(404, "give_up", "There is nothing here."),
        "method_not_allowed": Problem(
            405, "give_up", "This method is not offered here."
        ),
        "request_timeout": Problem(408, "give_up", "The request came too slowly."),
        "body_too_large": Problem(413, "give_up", "The request's body is too large."),
        "headers_too_large": Problem(
            431, "give_up", "The request's headers are too large."
        ),
        "rate_limited": Problem(429, "wait", "Too many requests."),
        "internal_error": Problem(500, "retry", "Something went wrong on our side."),
        "auth_unavailable": Problem(503, "retry", "Login is not available right now."),
        "store_unavailable": Problem(
            503, "retry", "The session store is not available right now."
        ),
        "llm_unavailable": Problem(
            503, "retry", "The language model is not available right now."
        ),
        "overloaded": Problem(503, "retry", "There is too much to do right now."),
    }
)

_DEEPEST = 12  # causes that are looked through
_ACTIONS = frozenset(row.action for row in PROBLEMS.values())


class ResilientAuthError(Exception):
    """The root of everything that this library raises; survives pickling."""

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own way would call __init__ with the message as the code.
        return _restored, (type(self), self.args, self.__dict__)


class ConfigError(ResilientAuthError):
    """A value cannot be built as asked; the message says what to change."""


class MissingDependency(ConfigError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, dependency: str, *, extra: str) -> None:
        super().__init__(
            f"{dependency} is not installed. "
            f"Install it with: pip install 'resilient-auth[{extra}]'"
        )
        self.dependency = dependency
        self.extra = extra


class DuplicateModelError(ConfigError, TypeError):
    """
    Two ORM classes of one registry carry the same *name*; refused before a query fails.

    *kind* says how it came about (``duplicate``, ``pasted``, ``double_import``,
    ``subclass_shadow``), *classes* are both as ``module.qualname`` and *places* as
    ``file:line``, the older first.
    """

    code = "duplicate_model"

    def __init__(
        self,
        message: str,
        *,
        name: str,
        kind: str,
        classes: tuple[str, ...],
        places: tuple[str, ...],
    ) -> None:
        super().__init__(message)
        self.name = name
        self.kind = kind
        self.classes = classes
        self.places = places


class DuplicateModelWarning(UserWarning):
    """Two ORM classes of one registry carry the same name, and both were let in."""


class AnswerError(ResilientAuthError):
    """An error that becomes an HTTP answer."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        retry_after: float | None = None,
        *,
        reason: str = "",
        action: str = "",
    ) -> None:
        if not isinstance(code, str) or code not in PROBLEMS:
            known = ", ".join(sorted(PROBLEMS))
            raise ConfigError(f"There is no code {code!r}; the codes are {known}.")
        if action and action not in _ACTIONS:
            known = ", ".join(sorted(_ACTIONS))
            raise ConfigError(f"There is no action {action!r}; there are {known}.")
        if retry_after is not None and not isinstance(retry_after, int | float):
            raise ConfigError("retry_after is a number of seconds, or None.")
        super().__init__(code if not reason else f"{code}: {reason}")
        problem = PROBLEMS[code]
        self.code = code
        self.status: int = problem.status
        self.action: str = action or problem.action
        self.detail: str = _sayable(detail or problem.title)
        self.retry_after = retry_after
        self.reason: str = reason or code
        self.request_id = ""

    def headers(self) -> dict[str, str]:
        """Return ``WWW-Authenticate`` (RFC 6750 §3) and ``Retry-After`` (RFC 9110)."""
        headers = {}
        if self.status == 401:
            headers["WWW-Authenticate"] = self._challenge()
        if self.retry_after is not None:
            headers["Retry-After"] = str(_whole_seconds(self.retry_after))
        return headers

    def problem(self, *, server_time: float | None = None) -> dict[str, object]:
        """Return the RFC 9457 body as a mapping ready for JSON; holds no secret."""
        body: dict[str, object] = {
            "type": f"urn:resilient-auth:problem:{self.code}",
            "title": PROBLEMS[self.code].title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "action": self.action,
            "request_id": self.request_id,
            "retry_after": None
            if self.retry_after is None
            else _whole_seconds(self.retry_after),
            "server_time": server_time,
        }
        return body

    def _challenge(self) -> str:
        """
        Return the value of ``WWW-Authenticate``.

        Where no credential came, RFC 6750 §3.1 asks for the bare scheme.
        """
        problem = PROBLEMS[self.code]
        if not problem.oauth_error:
            return "Bearer"
        return (
            f'Bearer error="{problem.oauth_error}", error_description="{problem.title}"'
        )


class Refused(AnswerError):
    """
    The client must do something else first; `action` says what.

    >>> error = Refused("token_expired", reason="exp 30 s ago")
    >>> error.status, error.action
    (401, 'refresh')
    >>> error.headers()["WWW-Authenticate"]
    'Bearer error="invalid_token", error_description="The token has expired."'
    """


class Unavailable(AnswerError):
    """Something we depend on cannot answer now; the same request may succeed later."""

    def __init__(
        self,
        code: str = "auth_unavailable",
        detail: str = "",
        retry_after: float | None = 1.0,
        *,
        reason: str = "",
    ) -> None:
        super().__init__(code, detail, retry_after, reason=reason)


class InternalError(AnswerError):
    """An exception nobody handled; made by the web wrap alone."""

    def __init__(self) -> None:
        super().__init__("internal_error")


def answer_with(error: BaseException, refusal: Unavailable) -> None:
    """Note what a client is to be told, should nobody handle the foreign *error*."""
    with suppress(Exception):  # a frozen one takes no note, and is worth more
        error.__resilient_auth__ = refusal  # type: ignore[attr-defined]


def answer_for(error: BaseException) -> Unavailable | None:
    """
    Return what a client is to be told of *error*, None if nothing was noted on it.

    Looked at are also what *error* was raised from, and the members of a group, if each
    of them is an answer. A new answer each time, for it is given the id of a request.
    """
    return _answer_for(error, [])


def _answer_for(error: BaseException | None, seen: list[object]) -> Unavailable | None:
    while error is not None and not any(error is each for each in seen):
        if len(seen) >= _DEEPEST:
            return None
        seen.append(error)
        if isinstance(error, Unavailable):
            return error
        noted = vars(error).get("__resilient_auth__")
        if isinstance(noted, Unavailable):
            return Unavailable(
                noted.code, retry_after=noted.retry_after, reason=noted.reason
            )
        if isinstance(error, BaseExceptionGroup):
            answers = [_answer_for(each, seen) for each in error.exceptions]
            return None if None in answers else answers[0]
        error = error.__cause__
    return None


class CircuitOpen(Unavailable):
    """The circuit of *key* is open; a call would be refused until *retry_in* s."""

    # An outage builds one for every call that it turns away. So what is the same for
    # all is said once, here, and nothing is checked that is not an argument.
    code: str = "llm_unavailable"
    status: int = PROBLEMS[code].status
    action: str = PROBLEMS[code].action
    detail: str = PROBLEMS[code].title
    request_id: str = ""

    def __init__(self, key: str, retry_in: float) -> None:
        self.key = key
        self.retry_in = retry_in
        self.retry_after: float | None = retry_in
        self.reason: str = f"circuit {key!r} is open"
        self.args: tuple[object, ...] = (f"{self.code}: {self.reason}",)


class BulkheadFull(Unavailable):
    """All slots of *key* are taken and the queue did not move in time."""

    def __init__(self, key: str) -> None:
        super().__init__("overloaded", reason=f"bulkhead {key!r} is full")
        self.key = key


class DeadlineExceeded(Unavailable):
    """The time allowed for *what* is spent (seconds in *limit*)."""

    def __init__(
        self, what: str, limit: float, *, code: str = "llm_unavailable"
    ) -> None:
        super().__init__(code, reason=f"{what} took longer than {limit} s")
        self.what = what
        self.limit = limit


class StreamInterrupted(Unavailable):
    """
    A stream stopped before its end; *partial* is the text that came.

    *kind* is that of the `Verdict` on what stopped it: ``truncated`` for a clean end
    without the terminal marker.
    """

    def __init__(self, partial: str, *, kind: str = "truncated") -> None:
        super().__init__("llm_unavailable", reason=f"stream interrupted: {kind}")
        self.partial = partial
        self.kind = kind


class UnusableAnswer(Unavailable):
    """
    A call returned without an error, but what came is no answer: *kind* says why.

    *kind* is that of a `Verdict`. A guarded function may raise it itself, of what it
    was given: ``UnusableAnswer("bad_payload")``. *given_up* is True once a guard has
    spent its attempts on it.
    """

    def __init__(self, kind: str) -> None:
        super().__init__("llm_unavailable", reason=f"unusable answer: {kind}")
        self.kind = kind
        self.given_up: bool = False


class CommitOutcomeUnknown(Unavailable):
    """
    The connection was lost while COMMIT was under way: saved, or not; nobody can say.

    *operation* is the name of the work, *attempt* its last try. The client is told to
    give up, with no ``Retry-After``: it must look before it sends this again.
    """

    def __init__(self, operation: str, attempt: int) -> None:
        super().__init__(
            "store_unavailable",
            "This may or may not have been saved. Look before you send it again.",
            None,
            reason=(
                f"{operation} may or may not have been saved: "
                f"the outcome of a COMMIT is unknown (attempt {attempt})"
            ),
        )
        self.action = "give_up"
        self.operation = operation
        self.attempt = attempt


def _sayable(detail: object) -> str:
    """Return *detail* as text that UTF-8 can carry; a bad one must not cost a 500."""
    return str(detail).encode("utf-8", "replace").decode("utf-8")


def _whole_seconds(seconds: float) -> int:
    """Round up to an integer from 0 to a day, as Retry-After demands; NaN is 0."""
    return math.ceil(max(0.0, min(seconds, 86_400.0)))


def _restored(
    kind: type[ResilientAuthError], args: tuple[object, ...], said: dict[str, object]
) -> ResilientAuthError:
    """Return the error that was pickled, without running its ``__init__``."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(said)
    return error

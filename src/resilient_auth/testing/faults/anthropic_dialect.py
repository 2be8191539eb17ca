"""What does Anthropic say? Its answers, its stream and its errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from resilient_auth.testing.faults.bodies import Json, Said, Scene, event
from resilient_auth.testing.faults.dates import next_month

_INVALID = "invalid_request_error"
_LIMIT = Said(
    429,
    "rate_limit_error",
    "This request would exceed your organization's rate limit of 50 requests per "
    "minute.",
)
_OVERLOADED = Said(529, "overloaded_error", "Overloaded")
_SAID: Mapping[str, Said] = {
    **dict.fromkeys(
        (
            "retry_after",
            "retry_after_ms",
            "retry_after_date",
            "retry_after_long",
            "retry_after_nonsense",
            "ratelimit_reset_only",
            "should_retry_false",
        ),
        _LIMIT,
    ),
    "insufficient_quota": Said(
        400,
        _INVALID,
        "Your credit balance is too low to access the Anthropic API. Please go to "
        "Plans & Billing to upgrade or purchase credits.",
    ),
    "usage_limits": Said(
        400,
        _INVALID,
        "You have reached your specified API usage limits. You will regain access on "
        "{day} at 00:00 UTC.",
    ),
    "credits_402": Said(402, "billing_error", "Your account has no credits left."),
    "bad_request_hint_true": Said(
        400, _INVALID, "temperature: Input should be less than or equal to 1"
    ),
    "server_error": Said(500, "api_error", "Internal server error"),
    "unavailable_retry_after": Said(
        503, "api_error", "The service is temporarily unavailable."
    ),
    "overloaded_529": _OVERLOADED,
    "request_timeout_408": Said(408, "timeout_error", "Request timed out"),
    "conflict_409": Said(409, "conflict_error", "The resource was changed by another."),
    "invalid_key": Said(401, "authentication_error", "invalid x-api-key"),
    "forbidden_region": Said(403, "permission_error", "Request not allowed"),
    "model_not_found": Said(404, "not_found_error", "model: no-such-model"),
    "context_too_long": Said(
        400, _INVALID, "prompt is too long: 200001 tokens > 200000 maximum"
    ),
    "content_filter": Said(400, _INVALID, "Output blocked by content filtering policy"),
    "too_large_413": Said(413, "request_too_large", "Request exceeds the maximum size"),
    "unprocessable_422": Said(422, _INVALID, "The messages cannot be processed."),
    **dict.fromkeys(
        ("error_body_200", "stream_error_event", "stream_error_event_first"),
        _OVERLOADED,
    ),
}
_REASONS = {
    "stream_length": "max_tokens",
    "stream_content_filter": "refusal",
    "stream_refusal": "refusal",
}


@dataclass(frozen=True, slots=True)
class AnthropicDialect:
    """The messages of Anthropic."""

    scene: Scene

    @property
    def keep_alive(self) -> bytes:
        """Return a ping."""
        return self._event("ping")

    def headers(self) -> dict[str, str]:
        """Name the request, as Anthropic does."""
        return {"request-id": self._request}

    def resets(self) -> dict[str, str]:
        """Name the reset as a date of RFC 3339."""
        then = datetime.fromtimestamp(int(self.scene.now) + 360, UTC)
        return {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": then.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def said(self, fault: str) -> Said:
        """Return the words for *fault*."""
        return next_month(_SAID[fault], self.scene.now)

    def error(self, said: Said) -> Json:
        """Return the body of an error."""
        inner = {"type": said.type, "message": said.message}
        return {"type": "error", "error": inner, "request_id": self._request}

    def answer(self, *, empty: bool = False) -> Json:
        """Return a message, or the list of the models."""
        if self.scene.wants == "models":
            models = [] if empty else [self._model()]
            end = None if empty else self.scene.model
            return {
                "data": models,
                "has_more": False,
                "first_id": end,
                "last_id": end,
            }
        content = [] if empty else [{"type": "text", "text": self.scene.text}]
        return self._message(content, "end_turn", tokens=2)

    def opening(self) -> bytes:
        """Return the events that start the message and its text, and a ping."""
        message = self._message([], None, tokens=1)
        block = {"type": "text", "text": ""}
        return (
            self._event("message_start", message=message)
            + self._event("content_block_start", index=0, content_block=block)
            + self.keep_alive
        )

    def piece(self, text: str) -> bytes:
        """Return an event with text."""
        delta = {"type": "text_delta", "text": text}
        return self._event("content_block_delta", index=0, delta=delta)

    def refusal(self) -> bytes:
        """Return nothing: the reason at the end tells it."""
        return b""

    def closing(self, reason: str) -> bytes:
        """Return the events that end the text and the message."""
        why = {
            "stop_reason": _REASONS.get(reason, "end_turn"),
            "stop_sequence": None,
        }
        return (
            self._event("content_block_stop", index=0)
            + self._event("message_delta", delta=why, usage={"output_tokens": 2})
            + self._event("message_stop")
        )

    def failure(self, said: Said) -> bytes:
        """Return the event of an error inside a stream."""
        return event(self.error(said), name="error")

    def malformed(self) -> bytes:
        """Return an event whose data is no JSON."""
        return event('{"type":"content_block_delta","ind', name="content_block_delta")

    @property
    def _request(self) -> str:
        return f"req_{self.scene.number:024d}"

    @staticmethod
    def _event(name: str, **members: object) -> bytes:
        return event({"type": name, **members}, name=name)

    def _message(
        self,
        content: Sequence[Mapping[str, object]],
        reason: str | None,
        *,
        tokens: int,
    ) -> Json:
        return {
            "id": f"msg_{self.scene.number:024d}",
            "type": "message",
            "role": "assistant",
            "model": self.scene.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": {"input_tokens": 9, "output_tokens": tokens},
        }

    def _model(self) -> Json:
        made = datetime.fromtimestamp(int(self.scene.now), UTC)
        return {
            "type": "model",
            "id": self.scene.model,
            "display_name": self.scene.model,
            "created_at": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

"""What does OpenAI say? Its answers, its stream and its errors."""

from collections.abc import Mapping
from dataclasses import dataclass

from resilient_auth.testing.faults.bodies import Json, Said, Scene, event
from resilient_auth.testing.faults.dates import next_month

_INVALID = "invalid_request_error"
_LIMIT = Said(
    429,
    "requests",
    "Rate limit reached for this model on requests per min (RPM): Limit 3, Used 3, "
    "Requested 1.",
    "rate_limit_exceeded",
)
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
        429,
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
    ),
    "usage_limits": Said(
        400,
        _INVALID,
        "You have reached your specified API usage limits. You will regain access on "
        "{day} at 00:00 UTC.",
    ),
    "credits_402": Said(402, "payment_required", "Insufficient credits.", 402),
    "bad_request_hint_true": Said(
        400, _INVALID, "Invalid value for 'temperature'.", None, "temperature"
    ),
    "server_error": Said(
        500,
        "server_error",
        "The server had an error while processing your request. Sorry about that!",
    ),
    "unavailable_retry_after": Said(
        503, "server_error", "The service is temporarily unavailable."
    ),
    "overloaded_529": Said(
        529,
        "service_unavailable",
        "That model is currently overloaded with other requests.",
    ),
    "request_timeout_408": Said(408, "timeout", "The request timed out."),
    "conflict_409": Said(409, "conflict", "The resource was changed by another."),
    "invalid_key": Said(
        401, _INVALID, "Incorrect API key provided.", "invalid_api_key"
    ),
    "forbidden_region": Said(
        403,
        "request_forbidden",
        "Country, region, or territory not supported",
        "unsupported_country_region_territory",
    ),
    "model_not_found": Said(
        404,
        _INVALID,
        "The model does not exist or you do not have access to it.",
        "model_not_found",
        "model",
    ),
    "context_too_long": Said(
        400,
        _INVALID,
        "This model's maximum context length is 8192 tokens. However, your messages "
        "resulted in 9001 tokens. Please reduce the length of the messages.",
        "context_length_exceeded",
        "messages",
    ),
    "content_filter": Said(
        400,
        _INVALID,
        "The response was filtered due to the prompt triggering the content "
        "management policy. Please modify your prompt and retry.",
        "content_filter",
        "prompt",
    ),
    "too_large_413": Said(413, _INVALID, "The request is too large."),
    "unprocessable_422": Said(422, _INVALID, "The messages cannot be processed."),
    "error_body_200": Said(200, "server_error", "The provider returned an error."),
    **dict.fromkeys(
        ("stream_error_event", "stream_error_event_first"),
        Said(200, "server_error", "The server had an error while answering."),
    ),
}
_REASONS = {"stream_length": "length", "stream_content_filter": "content_filter"}


@dataclass(frozen=True, slots=True)
class OpenAIDialect:
    """The chat completions of OpenAI, and of all who speak like it."""

    scene: Scene

    @property
    def keep_alive(self) -> bytes:
        """Return a comment, which clients pass over."""
        return b": keep-alive\n\n"

    def headers(self) -> dict[str, str]:
        """Name the request, as OpenAI does."""
        return {
            "openai-version": "2020-10-01",
            "openai-processing-ms": "12",
            "x-request-id": f"req_{self.scene.number:032x}",
        }

    def resets(self) -> dict[str, str]:
        """Name the reset as a duration of Go."""
        return {
            "x-ratelimit-limit-requests": "3",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "6m0s",
        }

    def said(self, fault: str) -> Said:
        """Return the words for *fault*."""
        return next_month(_SAID[fault], self.scene.now)

    def error(self, said: Said) -> Json:
        """Return the body of an error."""
        return {
            "error": {
                "message": said.message,
                "type": said.type,
                "param": said.param,
                "code": said.code,
            }
        }

    def answer(self, *, empty: bool = False) -> Json:
        """Return a chat completion, or the list of the models."""
        if self.scene.wants == "models":
            return {"object": "list", "data": [] if empty else [self._model()]}
        choice = {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": self.scene.text,
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
        choices = [] if empty else [choice]
        return self._envelope("chat.completion", choices) | {"usage": self._usage()}

    def opening(self) -> bytes:
        """Return the chunk that names the role."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def piece(self, text: str) -> bytes:
        """Return a chunk of text."""
        return self._chunk({"content": text})

    def refusal(self) -> bytes:
        """Return a refusal, which is no content."""
        return self._chunk({"refusal": "I cannot help with that."})

    def closing(self, reason: str) -> bytes:
        """Return the chunk with the reason, the usage if asked for, and the end."""
        last = self._chunk({}, finish=_REASONS.get(reason, "stop"))
        if self.scene.with_usage:
            usage = {"usage": self._usage()}
            last += event(self._envelope("chat.completion.chunk", []) | usage)
        return last + event("[DONE]")

    def failure(self, said: Said) -> bytes:
        """Return the event of an error inside a stream."""
        return event(self.error(said))

    def malformed(self) -> bytes:
        """Return an event whose data is no JSON."""
        return event('{"id":"chatcmpl-1","choices":[{"ind')

    def _chunk(self, delta: Mapping[str, object], finish: str | None = None) -> bytes:
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": None,
            "finish_reason": finish,
        }
        chunk = self._envelope("chat.completion.chunk", [choice])
        return event(chunk | ({"usage": None} if self.scene.with_usage else {}))

    def _envelope(self, kind: str, choices: list[Json]) -> Json:
        return {
            "id": f"chatcmpl-{self.scene.number:029x}",
            "object": kind,
            "created": int(self.scene.now),
            "model": self.scene.model,
            "service_tier": "default",
            "system_fingerprint": "fp_0123456789",
            "choices": choices,
        }

    def _model(self) -> Json:
        made = int(self.scene.now)
        name = self.scene.model
        return {"id": name, "object": "model", "created": made, "owned_by": "system"}

    def _usage(self) -> Json:
        return {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}

"""
Is what came back an answer? Failures that raise nothing: error bodies, empty choices.

SDKs build their response objects from whatever JSON came with status 200, and hand out
a plain ``str`` when HTML came. Fields are read from the instance's own dictionary, so
that no property of a stranger's object is run.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from resilient_auth.resilience.verdict import KINDS, Verdict, classify_body

_UNUSABLE = replace(KINDS["bad_payload"], where="result")
_MISSING = object()


def answered(result: object) -> Verdict | None:
    """
    Return what is wrong with *result*, None if nothing is; the default ``check``.

    Judges objects and dictionaries that look like the responses of chat SDKs; a plain
    ``str`` and everything unknown passes.
    """
    cls = result.__class__
    if cls is str:
        return None
    fields: object = result if cls is dict else getattr(result, "__dict__", None)
    if not isinstance(fields, dict) or not fields:
        return None
    return _judge(fields, getattr(result, "__pydantic_extra__", None))


def sdk_response(result: object) -> Verdict | None:
    """
    Return what is wrong with *result* where an SDK's object was due.

    As `answered`, and refuses text and nothing: openai and anthropic return the ``str``
    of an HTML page that came with status 200. Pass it as ``check=sdk_response``.
    """
    if result is None or isinstance(result, str | bytes):
        return _UNUSABLE
    return answered(result)


def _judge(fields: Mapping[str, Any], extra: object) -> Verdict | None:
    error = fields.get("error")
    if error is None and isinstance(extra, dict):
        error = extra.get("error")
    if not isinstance(error, Mapping):
        error = getattr(error, "__dict__", None)  # OpenAI's Responses: an object
    if isinstance(error, Mapping) and {"message", "type", "code"} & error.keys():
        return classify_body(error)
    if "model" in fields and _empty(fields.get("choices", _MISSING)):
        return _UNUSABLE
    if "stop_reason" in fields and _empty(fields.get("content", _MISSING)):
        # A refusal is an answer, though it may say nothing.
        return None if fields["stop_reason"] == "refusal" else _UNUSABLE
    return None


def _empty(value: object) -> bool:
    return value is None or value == []

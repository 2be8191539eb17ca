"""A key that cannot work is refused at the start, and never repeated."""

import pytest

from resilient_auth.errors import ConfigError
from resilient_auth.resilience.keys import check_api_key

BODY = "a1B2c3D4e5F6g7H8i9J0"
GOOD = {
    "openai": [f"sk-{BODY}", f"sk-proj-{BODY}-_x{BODY}", f"sk-svcacct-{BODY}"],
    "anthropic": [f"sk-ant-api03-{BODY}{BODY}"],
    "google": ["AIza" + "Sy0" * 11 + "ab", f"AQ.{BODY}"],
    "azure": ["0123456789abcdef" * 2, "a1B2" * 21],
    "openrouter": [f"sk-or-v1-{BODY}"],
    "groq": [f"gsk_{BODY}"],
    "mistral": ["a1B2" * 8],
}


@pytest.mark.parametrize(
    ("provider", "key"), [(name, key) for name in GOOD for key in GOOD[name]]
)
def test_a_key_of_the_right_shape_passes(provider: str, key: str) -> None:
    """Of each provider."""
    check_api_key(key, provider)


@pytest.mark.parametrize(
    ("key", "provider", "says"),
    [
        (None, "openai", "missing"),
        ("", "openai", "missing"),
        (12345, "openai", "is a text"),
        (b"sk-" + BODY.encode(), "openai", "is a text"),
        (f"sk-{BODY}\n", "openai", "line end"),
        (f" sk-{BODY}", "openai", "space"),
        (f'"sk-{BODY}"', "openai", "quotation marks"),
        (f"Bearer{BODY}", "openai", "Bearer"),
        (f"sk-{BODY}\u200b", "openai", "no key has"),
        (f"sk-{BODY}\x00", "openai", "no key has"),
        ("sk-your-api-key-goes-here", "openai", "placeholder"),
        ("sk-...aaaaaaaaaaaaaaaaaa", "openai", "placeholder"),
        ("<OPENAI_API_KEY>", "openai", "placeholder"),
        (f"sk-ant-api03-{BODY}", "openai", "one of anthropic"),
        (f"sk-{BODY}", "anthropic", "one of openai"),
        (f"sk-or-v1-{BODY}", "openai", "one of openrouter"),
        ("sk-short", "openai", "shape"),
        ("AIzashort", "google", "shape"),
    ],
)
def test_what_is_wrong_is_named_and_the_key_is_not(
    key: str, provider: str, says: str
) -> None:
    """It may be a real one, with a letter too many."""
    with pytest.raises(ConfigError) as caught:
        check_api_key(key, provider)

    said = str(caught.value)
    assert says in said
    assert BODY not in said


def test_an_unknown_provider_is_refused() -> None:
    """With the known ones."""
    with pytest.raises(ConfigError, match="openai, anthropic"):
        check_api_key("sk-x", "closedai")

"""Which text does a reader get? The best that they ask for (RFC 4647 §3.4)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import ConfigError, Messages
from resilient_auth.core.messages import Message
from resilient_auth.errors import PROBLEMS

CODE = "token_missing"
ENGLISH = Message(PROBLEMS[CODE].title, "en")
MESSAGES = Messages(
    {tag: {CODE: f"text {tag}"} for tag in ("de", "pt-BR", "zh-Hant", "fr")}
)


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de-Latn-AT-1996", "de"),
        ("pt-BR", "pt-BR"),
        ("pt-br", "pt-BR"),
        ("zh-Hant-CN-x-private1-private2", "zh-Hant"),
        ("de-x-y", "de"),
        ("de;q=0.5, fr", "fr"),
        ("de;q=0.5, fr;q=0.4", "de"),
        ("de, fr", "de"),
        ("fr, de", "fr"),
        ("ja, de;q=0.1", "de"),
        ("en, de;q=0.9", "en"),
        ("en-GB, de;q=0.9", "en"),
        (" de ; q=1.000 ", "de"),
        ("\tde\t;\tq=0.001", "de"),
        ("de;Q=1", "de"),
        ("de;q=0", "en"),
        ("de;q=0.000, fr;q=0.001", "fr"),
        ("*", "en"),
        ("*, de", "en"),
        ("de, *;q=0.5", "de"),
        ("de;q=0.5, *", "en"),
        ("pt", "en"),  # a shorter range matches no longer tag in lookup
        ("x-de", "en"),
        ("", "en"),
        ("ja", "en"),
    ],
)
def test_the_best_language_is_chosen(asked: str, language: str) -> None:
    """By weight, then by order; a range is shortened until a language has it."""
    expected = ENGLISH if language == "en" else Message(f"text {language}", language)
    assert expected == MESSAGES.find(CODE, asked)


@pytest.mark.parametrize(
    "bad", ["de;q=1.1", "de;q=2", "de;q=-1", "de;q=0.1234", "de;q=", "de;x=1", "d e"]
)
def test_a_range_that_is_none_is_passed_over(bad: str) -> None:
    """The others count."""
    assert ENGLISH == MESSAGES.find(CODE, bad)
    assert "fr" == MESSAGES.find(CODE, f"{bad}, fr;q=0.1").language


def test_who_asks_for_nothing_is_told_in_the_default() -> None:
    """English, or the language that the site says."""
    german = Messages({"de": {CODE: "deutsch"}}, default="DE")

    assert Message("deutsch", "de") == german.find(CODE, "")
    assert Message("deutsch", "de") == german.find(CODE, "ja, *")
    assert ENGLISH == german.find(CODE, "en")


def test_a_code_without_a_text_is_told_in_english() -> None:
    """In the site's own English, if it has one."""
    own = Messages({"de": {}, "en": {CODE: "Log in."}})

    assert Message("Log in.", "en") == own.find(CODE, "de")
    assert Message("Log in.", "en") == own.find(CODE, "en-US")
    assert "en" == own.find("rate_limited", "de").language
    assert PROBLEMS["rate_limited"].title == own.find("rate_limited", "de").text


def test_a_flood_of_ranges_is_cut() -> None:
    """Work is bounded: what stands behind the 32nd range counts no more."""
    ahead = ",".join(["ja"] * 31)
    assert "de" == MESSAGES.find(CODE, f"{ahead},de").language
    assert "en" == MESSAGES.find(CODE, f"{ahead},ja,de").language
    assert "en" == MESSAGES.find(CODE, f"{ahead},ja,de,de").language


@given(st.text())
def test_every_header_is_answered(asked: str) -> None:
    """Whatever comes, there is a text, and it is in the language that is named."""
    found = MESSAGES.find(CODE, asked)
    assert found == ENGLISH or found.text == f"text {found.language}"


TAG = 'A language is a tag such as "de" or "pt-BR".'
LENGTH = f"de, {CODE}: 1 to 500 characters."
BAD: Any = {
    "no mapping": (["de"], 'Messages takes {"de": {"token_expired": "…"}}.'),
    "no texts": (
        {"de": "deutsch"},
        "The texts of de are a mapping from code to text.",
    ),
    "no tag": ({"d": {}}, TAG),
    "a star": ({"*": {}}, TAG),
    "a number for a tag": ({5: {}}, TAG),
    "two of one language": (
        {"de": {}, "DE": {}},
        "Two languages differ in upper and lower case alone.",
    ),
    "an unknown code": (
        {"de": {"token_gone": "x"}},
        f"There is no code 'token_gone'; the codes are {', '.join(sorted(PROBLEMS))}.",
    ),
    "no text": ({"de": {CODE: ""}}, LENGTH),
    "a number": ({"de": {CODE: 5}}, f"de, {CODE}: a text, not an object of type int."),
    "a long text": ({"de": {CODE: "x" * 501}}, LENGTH),
    "half a character": ({"de": {CODE: "\ud83d"}}, LENGTH),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_cannot_be_told_is_refused_when_it_is_built(bad: str) -> None:
    """The developer reads it at start, and not a user at a refusal."""
    texts, sentence = BAD[bad]
    with pytest.raises(ConfigError) as caught:
        Messages(texts)

    assert sentence == str(caught.value)


@pytest.mark.parametrize("default", ["fr", "", None])
def test_a_default_has_texts(default: Any) -> None:
    """English always has."""
    with pytest.raises(ConfigError, match=r"^default is one of en, de\.$"):
        Messages({"de": {}}, default=default)


def test_it_says_what_it_has() -> None:
    """Its languages, and a text of the longest allowed."""
    assert "Messages(en, de)" == repr(Messages({"de": {CODE: "x" * 500}}))

"""In whose words is a refusal told? In the reader's; all else stays."""

import pytest

from resilient_auth.testing.exchange import WireResponse
from resilient_auth.testing.wire.promises import assert_refused
from resilient_auth.testing.wire.setup import GERMAN, PAGE
from resilient_auth.testing.wire.world import WireSuite, World

#: Requests that are refused, by us and by a handler of the application.
REFUSED = {
    "an endpoint": ("POST", "login", "credentials_invalid"),
    "the principal": ("GET", "/me", "token_missing"),
    "a refusal of the handler": ("GET", "/busy", "overloaded"),
    "a crash": ("GET", "/crash", "internal_error"),
    "a preflight": ("OPTIONS", "/me", "origin_denied"),
}


class LanguagesContract(WireSuite):
    """An application that has German texts."""

    @pytest.mark.parametrize("refused", REFUSED)
    def test_a_refusal_speaks_the_readers_language(
        self, translated: World, refused: str
    ) -> None:
        """Code, action and status are what they were."""
        method, target, code = REFUSED[refused]
        german = ask(translated, method, target, "de-AT, en;q=0.5")
        other = ask(translated, method, target, "fr")

        assert_refused(german, code)
        assert [GERMAN[code]] * 2 == [german.json()[it] for it in ("title", "detail")]
        assert ["de"] == german.values("content-language")
        assert ["en"] == other.values("content-language")
        assert german.json()["title"] != other.json()["title"]

    def test_what_the_application_says_itself_stays(self, translated: World) -> None:
        """A detail of its own is nobody's to translate."""
        headers = [("Origin", PAGE), ("Accept-Language", "de")]
        said = translated.send("POST", "login", headers, json={"username": 5}).json()

        assert GERMAN["request_invalid"] == said["title"]
        assert GERMAN["request_invalid"] != said["detail"]

    def test_without_texts_nothing_varies(self, world: World) -> None:
        """No header speaks of a language."""
        response = ask(world, "GET", "verify", "de")

        assert [] == response.values("content-language")
        assert "Origin, Cookie" == response.value("vary")


def ask(world: World, method: str, target: str, language: str) -> WireResponse:
    """Ask for *target* in *language*; from a foreign page, if it is a preflight."""
    headers = [("Accept-Language", language)]
    if method == "OPTIONS":
        evil = [("Origin", "https://evil.example")]
        return world.send(
            method, target, [*headers, *evil, ("Access-Control-Request-Method", "GET")]
        )
    if method == "POST":
        wrong = {"username": "ann", "password": "wrong"}
        return world.send(method, target, headers, json=wrong)
    return world.send(method, target, headers)

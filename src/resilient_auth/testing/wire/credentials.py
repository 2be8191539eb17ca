"""What may a login's body hold? Whatever else comes is 400, and is judged by nobody."""

import json

import pytest

from resilient_auth.events import SessionOpened
from resilient_auth.testing.wire.promises import assert_refused
from resilient_auth.testing.wire.world import ANN, JSON, WireSuite, World


def raw(*members: str) -> bytes:
    """Return a JSON object with *members*, however wrong."""
    return ("{" + ",".join(members) + "}").encode()


NAME, PASSWORD = '"username":"ann"', '"password":"pw"'

#: What a login refuses with 400: id → body.
BAD_BODIES = {
    "empty": b"",
    "empty-object": b"{}",
    "array": b"[1]",
    "text": b'"x"',
    "number": b"1",
    "null": b"null",
    "cut-off": b'{"username":"ann"',
    "trailing": raw(NAME, PASSWORD) + b"x",
    "not-json": b"username=ann&password=pw",
    "duplicate-member": raw(NAME, PASSWORD, '"username":"bob"'),
    "username-missing": raw(PASSWORD),
    "username-number": raw('"username":1', PASSWORD),
    "username-object": raw('"username":{"$ne":null}', PASSWORD),
    "username-array": raw('"username":["ann"]', PASSWORD),
    "username-null": raw('"username":null', PASSWORD),
    "username-empty": raw('"username":""', PASSWORD),
    "username-long": raw(f'"username":"{"a" * 257}"', PASSWORD),
    "username-newline": raw('"username":"ann\\nroot"', PASSWORD),
    "username-nul": raw('"username":"ann\\u0000"', PASSWORD),
    "username-bidi": raw('"username":"ann\\u202e"', PASSWORD),
    "username-surrogate": raw('"username":"\\ud800"', PASSWORD),
    "password-missing": raw(NAME),
    "password-number": raw(NAME, '"password":1'),
    "password-true": raw(NAME, '"password":true'),
    "password-array": raw(NAME, '"password":["pw"]'),
    "password-empty": raw(NAME, '"password":""'),
    "password-surrogate": raw(NAME, '"password":"\\udfff"'),
    "password-1025-bytes": raw(NAME, f'"password":"{"a" * 1025}"'),
    "password-1026-bytes-in-513-letters": raw(NAME, f'"password":"{"é" * 513}"'),
    "raw-surrogate": b'{"username":"\xed\xa0\x80","password":"pw"}',
    "latin-1": '{"username":"é","password":"pw"}'.encode("latin-1"),
    "utf-16": raw(NAME, PASSWORD).decode().encode("utf-16"),
    "byte-order-mark": b"\xef\xbb\xbf" + raw(NAME, PASSWORD),
    "nan": raw(NAME, PASSWORD, '"x":NaN'),
    "too-large-number": raw(NAME, PASSWORD, '"x":1e999'),
    "many-digits": raw(NAME, PASSWORD, f'"x":{"9" * 5000}'),
    "deep": raw(NAME, PASSWORD, f'"x":{"[" * 5000}{"]" * 5000}'),
    "transport-unknown": raw(NAME, PASSWORD, '"transport":"header"'),
    "transport-array": raw(NAME, PASSWORD, '"transport":[]'),
    "remember-text": raw(NAME, PASSWORD, '"remember":"no"'),
    "remember-null": raw(NAME, PASSWORD, '"remember":null'),
}

#: Content types by which a form of a foreign page, or a mistake, would come.
BAD_TYPES: dict[str, list[tuple[str, str]]] = {
    "none": [],
    "text-plain": [("Content-Type", "text/plain")],
    "form": [("Content-Type", "application/x-www-form-urlencoded")],
    "multipart": [("Content-Type", "multipart/form-data; boundary=x")],
    "json-inside-text": [("Content-Type", "text/plain; application/json")],
    "two-types": [JSON, ("Content-Type", "text/plain")],
    "json-sequence": [("Content-Type", "application/json-seq")],
}


class CredentialsContract(WireSuite):
    """The rows L2, L4 and L6 of the checklist."""

    @pytest.mark.parametrize("name", BAD_BODIES)
    def test_a_bad_body_is_400(self, world: World, name: str) -> None:
        """Nothing that a client sends is a 500, and nothing of it is judged."""
        response = world.send("POST", "login", [JSON], body=BAD_BODIES[name])

        assert response.error is None
        assert_refused(response, "request_invalid")
        assert [] == world.setup.asked

    @pytest.mark.parametrize("name", BAD_TYPES)
    def test_another_content_type_is_400(self, world: World, name: str) -> None:
        """A form of a foreign page can send these without asking (CVE-2021-32677)."""
        body = json.dumps(ANN).encode()

        assert_refused(
            world.send("POST", "login", BAD_TYPES[name], body=body), "request_invalid"
        )

    @pytest.mark.parametrize(
        "said", ["application/json; charset=utf-8", "APPLICATION/JSON", JSON[1]]
    )
    def test_spellings_of_json(self, world: World, said: str) -> None:
        """Media types are compared without case and parameters (RFC 9110 §8.3.1)."""
        body = json.dumps(ANN).encode()
        response = world.send("POST", "login", [("Content-Type", said)], body=body)

        assert 200 == response.status

    @pytest.mark.parametrize("size", [16_385, 1_000_000])
    def test_a_huge_body_is_413(self, world: World, size: int) -> None:
        """It is refused by its size, before anybody parses it."""
        body = json.dumps(ANN | {"password": "a" * size}).encode()

        assert_refused(world.send("POST", "login", [JSON], body=body), "body_too_large")

    @pytest.mark.parametrize(
        "password",
        ["a" * 1024, " pw ", "pw\x00", "p\x00w", "e\u0301", "é", "🔑" * 256],
        ids=["1024", "spaces", "nul", "nul-inside", "decomposed", "composed", "emoji"],
    )
    def test_a_password_is_judged_as_it_was_typed(
        self, world: World, password: str
    ) -> None:
        """Never cut, trimmed or normalised on the way (ASVS 6.2.8)."""
        response = world.log_in(password=password, otp="123456")

        assert_refused(response, "credentials_invalid")
        assert [ANN | {"password": password, "otp": "123456"}] == world.setup.asked

    def test_credentials_in_the_query_are_not_read(self, world: World) -> None:
        """They would stand in every log on the way."""
        response = world.send("POST", "login?username=ann&password=pw")

        assert_refused(response, "request_invalid")

    def test_the_device_is_what_the_browser_says(self, world: World) -> None:
        """Cleaned for logs and lists, and of bounded length."""
        world.log_in([("User-Agent", "Fire\tfox\x07" + "x" * 500)])
        device = world.told(SessionOpened)[0].device

        assert ("Fire fox xxx", 200) == (device[:12], len(device))

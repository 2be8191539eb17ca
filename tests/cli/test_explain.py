"""From the id in a problem body to the exact reason."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.web.test_wsgi_auth import application, web_of

from resilient_auth.cli.commands import resilient_auth
from resilient_auth.cli.explain import _NEXT
from resilient_auth.errors import PROBLEMS
from resilient_auth.testing import WireRequest, WireSetup, WsgiTransport

ID = "0123456789abcdef"


def explain(*said: str, log: str = "") -> Result:
    """Return what came of ``resilient-auth explain``, with *log* at its input."""
    return CliRunner().invoke(resilient_auth, ["explain", *said], input=log)


def line(**said: object) -> str:
    """Return a line of a log."""
    event = {"event": "request_refused", "at": 1_795_366_800.5, "request_id": ID}
    return json.dumps(event | said) + "\n"


def test_the_reason_is_found_in_the_log_of_an_application(tmp_path: Path) -> None:
    """The whole way: an answer, its id, the listener's line, the command."""
    setup = WireSetup()
    web = web_of(setup)
    app = WsgiTransport(web.wrap(application(web)))
    headers = ((b"authorization", b"Bearer not.a.token"),)
    problems = [app.send(WireRequest(target="/me", headers=headers)) for _ in range(3)]
    log = tmp_path / "app.log"
    log.write_text("".join(f"INFO {json.dumps(e.fields())}\n" for e in setup.told))
    result = explain(problems[1].json()["request_id"], "--log", str(log))

    assert 0 == result.exit_code
    refused = [each for each in setup.told if each.name == "token_refused"]
    assert 2 == result.output.count(refused[0].fields()["reason"])  # type: ignore[arg-type]
    assert (
        "The client read: 401 token_invalid, The token is not valid." in result.output
    )
    assert "Its next step: login: the user logs in again." in result.output


def test_the_action_that_was_sent_is_the_one_told() -> None:
    """A missing token with a refresh cookie means: refresh."""
    said = line(code="token_missing", action="refresh", method="GET", path="/me")
    result = explain(ID, log=said)

    assert (
        "2026-11-22T17:00:00.500+00:00  request_refused  GET  /me  token_missing\n"
        "The client read: 401 token_missing, You are not logged in.\n"
        "Its next step: refresh: the client refreshes, and repeats the request once.\n"
    ) == result.output


def test_every_action_is_explained() -> None:
    """A new one must not end in a blank."""
    assert {each.action for each in PROBLEMS.values()} == _NEXT.keys()


def test_other_fields_are_told_too() -> None:
    """An event of a session has no code, but a story."""
    result = explain(
        ID, log=line(event="session_ended", reason="logout", subject="ann")
    )

    assert "session_ended  logout  subject=ann\n" in result.output
    assert "The client read" not in result.output


@pytest.mark.parametrize(
    "log",
    [
        "",
        f"{ID} in a line of somebody else\n",
        f'{{"request_id": "{ID}"\n',
        f'["{ID}"]\n',
        f'{{"other": "{ID}"}}\n',
        "{" * 100_000 + ID + "\n",
        "[" * 100_000 + ID + "\n",
        line(request_id="f" * 16),
        "\x00\xff\ufffe\n" + ID,
    ],
)
def test_a_log_without_the_id_is_status_1(log: str) -> None:
    """Whatever stands in it; the id may only be mentioned."""
    result = explain(ID, log=log)

    assert 1 == result.exit_code
    assert f"No line of the log has the request id {ID}." in result.output


def test_bytes_that_are_no_text_are_read_around(tmp_path: Path) -> None:
    """One broken line must not hide the others."""
    log = tmp_path / "app.log"
    log.write_bytes(b"\xff\xfe\x00\n" + line(code="csrf_failed").encode())

    assert "csrf_failed" in explain(ID, "--log", str(log)).output


@pytest.mark.parametrize("at", [None, "x", [], 1e300, float("nan"), float("-inf")])
def test_a_time_that_is_none_is_no_failure(at: object) -> None:
    """Another program may have written the line."""
    result = explain(ID, log=line(at=at))

    assert 0 == result.exit_code
    assert result.output.startswith("at an unknown time")


def test_what_a_client_wrote_does_not_drive_the_terminal() -> None:
    """A path with escape sequences would repaint the screen of who reads it."""
    result = explain(ID, log=line(path="/\x1b[2J\r\u202e", code=["x"], action={}))

    assert 0 == result.exit_code
    assert not {"\x1b", "\r", "\u202e"} & set(result.output)


@pytest.mark.parametrize("said", [["x"], [ID.upper()], [ID, "--log", "no/such"], []])
def test_what_cannot_be_done_is_status_2(said: list[str]) -> None:
    """The id is what a problem body says, and nothing like it."""
    assert 2 == explain(*said).exit_code

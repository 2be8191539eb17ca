"""
The main job, end to end: log in, chat, break it, and go on, in Chromium and Firefox.

Each test starts the demo as `make demo` does and uses its page as a person would.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browsers.tab import Browser, Context, Tab
from tests.end_to_end.demo import Demo

pytestmark = pytest.mark.browser

#: What a browser itself logs when a request is refused or a server is away.
EXPECTED = ("401", "403", "503", "ERR_CONNECTION", "NetworkError", "net::ERR")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """Start the demo with an empty database."""
    running = Demo(tmp_path)
    yield running
    running.stop()


def by(name: str) -> str:
    """Return the selector of the element with this test id."""
    return f'[data-testid="{name}"]'


def log_in(tab: Tab) -> None:
    """Log in as the demo user, through the dialog."""
    tab.wait_for("document.querySelector('#login').open")
    tab.click(by("use-demo"))
    tab.wait_for("!document.querySelector('#login').open")
    tab.wait_for(f"document.querySelector('{by('epoch')}').innerText.match(/^\\d+$/)")


def say(tab: Tab, text: str) -> None:
    """Type a message and send it with Enter."""
    tab.fill(by("message-box"), text)
    tab.press("Enter")


def answers(tab: Tab, status: str) -> int:
    """Return how many answers have ended with *status*."""
    found = tab.evaluate(
        "document.querySelectorAll('[data-role=assistant]"
        f"[data-status={status}]').length"
    )
    return int(found)


def wait_for_answers(tab: Tab, count: int, status: str = "complete") -> None:
    """Wait until *count* answers have ended with *status*."""
    tab.wait_for(
        f"document.querySelectorAll('[data-role=assistant][data-status={status}]')"
        f".length >= {count}",
        within=40,
    )


def unexpected(tab: Tab) -> list[str]:
    """Return what the console holds beyond the browser's own network lines."""
    return [line for line in tab.console if not any(e in line for e in EXPECTED)]


def test_log_in_and_chat(user: Context, demo: Demo) -> None:
    """The answer streams, the cookies are out of every script's reach."""
    tab = user.open(demo.address)
    log_in(tab)
    say(tab, "How can five tabs refresh at once?")
    wait_for_answers(tab, 1)
    tab.wait_for_text(by("answer-text"), "nobody is logged out")
    tab.wait_for_text(by("events"), "session")

    assert {"ra_access", "ra_refresh"} <= user.cookies().keys()
    assert all(
        user.cookies()[f"ra_{each}"]["httpOnly"] for each in ("access", "refresh")
    )
    assert "ra_" not in tab.evaluate("document.cookie")
    assert unexpected(tab) == []


def test_an_expired_token_loses_no_message(user: Context, demo: Demo) -> None:
    """The 401 is met with one refresh, and the message arrives once."""
    tab = user.open(demo.address)
    log_in(tab)
    before = tab.text(by("epoch"))
    tab.click(by("break-expire"))
    say(tab, "my name is Ada")
    wait_for_answers(tab, 1)
    tab.wait_for(f"document.querySelector('{by('epoch')}').innerText !== '{before}'")
    tab.goto(demo.address)
    tab.wait_for_text(by("log"), "my name is Ada")

    asked = tab.evaluate("document.querySelectorAll('[data-role=user]').length")
    assert asked == 1
    assert unexpected(tab) == []


def test_a_race_of_tabs_has_no_loser(user: Context, demo: Demo) -> None:
    """Five refreshes at once, and a second tab beside: one rotation, all logged in."""
    tab = user.open(demo.address)
    log_in(tab)
    second = user.open(demo.address)
    second.wait_for("!document.querySelector('#logout').hidden")
    tab.click(by("break-race"))
    tab.wait_for_text(by("race-result"), "rotated")
    verdicts = re.findall("rotated|replayed|kept", tab.text(by("race-result")))
    say(second, "hello")
    wait_for_answers(second, 1)

    assert len(verdicts) == 5
    assert verdicts.count("rotated") == 1
    assert second.evaluate("document.querySelector('#login').open") is False


def test_a_revoked_session_asks_for_a_login_and_keeps_the_message(
    user: Context, demo: Demo
) -> None:
    """What was written stays through the login, and what was sent goes out after it."""
    tab = user.open(demo.address)
    log_in(tab)
    tab.fill(by("message-box"), "do not lose me")
    tab.evaluate("fetch('/demo/revoke', {method: 'POST'}).then(r => r.status)")
    tab.press("Enter")
    log_in(tab)
    if not tab.evaluate("document.querySelectorAll('[data-role=user]').length"):
        tab.press("Enter")  # the page learnt of it before the message was sent
    wait_for_answers(tab, 1)

    tab.wait_for_text(by("log"), "do not lose me")
    assert unexpected(tab) == []


def test_an_outage_of_the_model_degrades_and_recovers(
    user: Context, demo: Demo
) -> None:
    """The page says honestly who speaks, the circuit opens, and closes again."""
    tab = user.open(demo.address)
    log_in(tab)
    tab.click(by("llm-down"))
    say(tab, "are you there?")
    wait_for_answers(tab, 1, "degraded")
    tab.click(by("llm-none"))
    for count in range(1, 12):
        say(tab, f"and now, for the {count}th time?")
        tab.wait_for(
            "document.querySelectorAll('[data-role=assistant][data-status=complete],"
            f"[data-role=assistant][data-status=degraded]').length >= {count + 1}",
            within=40,
        )
        if answers(tab, "complete"):
            break
        tab.wait_for(
            "document.querySelector('#circuit').dataset.state !== 'open'", within=30
        )

    assert answers(tab, "complete") == 1
    assert unexpected(tab) == []


def test_the_page_says_who_answers(user: Context, demo: Demo) -> None:
    """The second model, and below it an earlier answer, each with its reason."""
    tab = user.open(demo.address)
    log_in(tab)
    say(tab, "tell me about tabs")
    wait_for_answers(tab, 1)
    tab.click(by("llm-500"))
    tab.click(by("new-conversation"))
    say(tab, "tell me about cookies")
    wait_for_answers(tab, 1)
    tab.wait_for_text(by("answer-note"), "Answered by toy-0")
    tab.click(by("llm-down"))
    tab.click(by("new-conversation"))
    say(tab, "tell me about tabs")
    wait_for_answers(tab, 1, "degraded")

    tab.wait_for_text(by("answer-note"), "An earlier answer")
    assert unexpected(tab) == []


def test_a_cut_stream_is_marked(user: Context, demo: Demo) -> None:
    """Half an answer is never shown as a whole one."""
    tab = user.open(demo.address)
    log_in(tab)
    tab.click(by("llm-cut"))
    say(tab, "Give me a long answer.")
    wait_for_answers(tab, 1, "interrupted")

    assert tab.text(by("answer-text"))
    assert unexpected(tab) == []


def test_a_stopped_database_logs_nobody_out(user: Context, demo: Demo) -> None:
    """The message waits for the database, and arrives once."""
    tab = user.open(demo.address)
    log_in(tab)
    tab.click(by("break-database"))
    tab.wait_for_text(by("events"), "atabase")
    say(tab, "hello in the dark")
    wait_for_answers(tab, 1)
    asked = tab.evaluate("document.querySelectorAll('[data-role=user]').length")

    assert asked == 1
    assert tab.evaluate("document.querySelector('#login').open") is False
    assert unexpected(tab) == []


def test_a_duplicate_model_is_refused_with_both_places(
    user: Context, demo: Demo
) -> None:
    """The message names both files, and what to do."""
    tab = user.open(demo.address)
    log_in(tab)
    tab.click(by("break-duplicate"))
    tab.wait_for_text(by("duplicate-result"), "models.py")
    tab.wait_for_text(by("duplicate-guarded"), "duplicate_user.py")
    tab.wait_for_text(by("duplicate-start"), "ambiguous_name")
    tab.wait_for_text(by("duplicate-plain"), "Multiple classes found for path")

    assert unexpected(tab) == []


def test_a_restart_keeps_everyone_talking(user: Context, demo: Demo) -> None:
    """Sessions and conversations are in the database, keys in a file."""
    tab = user.open(demo.address)
    log_in(tab)
    say(tab, "my name is Ada")
    wait_for_answers(tab, 1)
    demo.stop()
    demo.start()
    say(tab, "what is my name?")
    wait_for_answers(tab, 2)
    tab.wait_for_text(by("log"), "Your name is Ada")

    assert tab.evaluate("document.querySelector('#login').open") is False
    assert unexpected(tab) == []


def test_the_page_can_be_used_by_keyboard_alone(user: Context, demo: Demo) -> None:
    """Log in and chat without a pointer; the focus can be seen all the way."""
    tab = user.open(demo.address)
    tab.wait_for("document.querySelector('#login').open")
    tab.wait_for("document.activeElement.id === 'username'")
    tab.type("demo")
    tab.press("Tab")
    tab.type("correct horse battery")
    tab.press("Enter")
    tab.wait_for("!document.querySelector('#login').open")
    tab.wait_for("document.activeElement.id === 'text'")
    tab.type("hello")
    tab.press("Enter")
    wait_for_answers(tab, 1)

    assert unexpected(tab) == []


#: Every event has arrived, and the meter of the access token has filled.
STILL = """!document.getAnimations().some(each => each.animationName === "arrive")
    && (meter => meter.offsetWidth > 0.9 * meter.parentNode.offsetWidth)(
        document.querySelector(".meter span"))"""


def test_pictures_for_the_docs(
    browser: Browser, user: Context, demo: Demo, request: pytest.FixtureRequest
) -> None:
    """Desktop, phone and dark; written to docs/images where asked, else looked at."""
    if browser.name != "chromium":
        pytest.skip("the pictures are Chromium's")
    asked = request.config.getoption("--pictures")
    folder = Path(asked) if asked else request.getfixturevalue("tmp_path") / "pictures"
    folder.mkdir(exist_ok=True)
    tab = user.open(demo.address)
    log_in(tab)
    say(tab, "My name is Ada.")
    wait_for_answers(tab, 1)
    tab.click(by("break-race"))
    tab.wait_for_text(by("race-result"), "rotated")
    say(tab, "How can five tabs refresh at once?")
    wait_for_answers(tab, 2)
    tab.resize(1440, 900, scale=1)
    tab.wait_for(STILL)
    tab.screenshot(folder / "desktop.png")
    tab.resize(390, 844, scale=2)
    tab.screenshot(folder / "phone.png")
    user.prefer_dark()
    dark = user.open(demo.address)
    dark.resize(1440, 900)
    dark.wait_for_text(by("log"), "Ada")
    dark.wait_for("document.querySelectorAll('#events li').length > 3")
    dark.wait_for(STILL)
    dark.screenshot(folder / "dark.png")

    assert all(
        (folder / f"{each}.png").stat().st_size > 20_000
        for each in ("desktop", "phone", "dark")
    )

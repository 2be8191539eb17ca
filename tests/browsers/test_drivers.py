"""The verbs of the drivers do the same in every engine."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.browsers.tab import Browser, Context

pytestmark = pytest.mark.browser

PAGE = b"""<!doctype html><title>A page</title>
<form><input id=name><button id=go>Go</button></form><p id=out></p>
<script>
document.querySelector("form").onsubmit = event => {
  event.preventDefault();
  const name = document.querySelector("#name").value;
  document.querySelector("#out").innerText = "Hello " + name;
};
setTimeout(() => { throw new Error("planted"); }, 0);
</script>"""


class Handler(BaseHTTPRequestHandler):
    """Serves one page and sets one cookie."""

    def do_GET(self) -> None:
        """Answer with the page."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.send_header("Set-Cookie", "seen=1; HttpOnly; SameSite=Lax; Path=/")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the page on a port that the kernel chooses."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_person_can_type_and_click(user: Context, address: str) -> None:
    """Real key and pointer events reach the page, by mouse and by keyboard."""
    tab = user.open(address)
    tab.fill("#name", "Ann")
    tab.click("#go")
    tab.wait_for_text("#out", "Hello Ann")
    tab.fill("#name", "Bob")
    tab.press("Tab")
    tab.press("Enter")
    tab.wait_for_text("#out", "Hello Bob")

    assert tab.evaluate("Promise.resolve([1, {a: null}])") == [1, {"a": None}]


def test_an_uncaught_exception_is_seen(user: Context, address: str) -> None:
    """Else "no console error" would prove nothing."""
    tab = user.open(address)
    tab.wait_for("document.title === 'A page'")

    assert any("planted" in line for line in tab.console), tab.console


def test_tabs_share_cookies_and_users_do_not(
    browser: Browser, user: Context, address: str
) -> None:
    """A race of tabs needs one jar, and each test its own."""
    user.open(address)
    stored = user.cookies()
    other = browser.new_context()
    empty = other.cookies()
    other.close()

    assert stored["seen"]["httpOnly"] is True
    assert empty == {}


def test_a_picture_has_the_size_that_was_asked(
    user: Context, address: str, tmp_path: Path
) -> None:
    """A phone is 390 pixels wide and draws each twice."""
    tab = user.open(address)
    tab.resize(390, 844, scale=2)
    picture = tmp_path / "phone.png"
    tab.screenshot(picture)

    assert tab.evaluate("innerWidth") == 390
    assert int.from_bytes(picture.read_bytes()[16:20]) == 780


def test_a_condition_that_does_not_come_shows_the_page(
    user: Context, address: str
) -> None:
    """The failure must say what the browser saw."""
    tab = user.open(address)
    with pytest.raises(AssertionError, match="A page"):
        tab.wait_for("document.title === 'Another'", within=0.2)

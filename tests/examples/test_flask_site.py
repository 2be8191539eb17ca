"""The Flask site in real browsers, over a real server."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples.flask_site.app import Settings, create_app
from tests.browsers.tab import Context, Tab
from werkzeug.serving import make_server


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Yield where the site is served, on a port of the kernel's choice."""
    holder = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    database = f"sqlite:///{tmp_path / 'lines.db'}"
    settings = Settings(port=holder.server_port, database=database)
    holder.app = create_app(settings)
    thread = threading.Thread(target=holder.serve_forever)
    thread.start()
    yield settings.address
    holder.shutdown()
    thread.join()
    holder.server_close()


@pytest.fixture
def tab(user: Context, address: str) -> Iterator[Tab]:
    """Yield a tab on the site."""
    opened = user.open(address)
    yield opened
    opened.close()


def log_in(tab: Tab, password: str = "correct horse") -> None:
    """Fill the form and send it."""
    tab.fill("input[name=username]", "ann")
    tab.fill("input[name=password]", password)
    tab.press("Enter")


def test_a_day_on_the_site(tab: Tab) -> None:
    """Log in, write, lose the access token, write again, clear, and leave."""
    log_in(tab)
    tab.wait_for("document.querySelector('#leave')")
    for text in ("first", "second <b>"):
        tab.fill("input[name=text]", text)
        tab.press("Enter")
        tab.wait_for(f"document.body?.innerText.includes('ann: {text}')")

    tab.click("form[data-to='/clear'] button")
    tab.wait_for("document.body && !document.body.innerText.includes('ann: first')")
    tab.click("#leave")
    tab.wait_for("document.querySelector('#login')")


def test_a_wrong_password_is_told(tab: Tab) -> None:
    """In words, on the page."""
    log_in(tab, "battery staple")
    tab.wait_for("document.querySelector('#said')?.innerText")

    assert "password" in tab.text("#said").lower()

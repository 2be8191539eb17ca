"""Chromium, started by ourselves and driven by Playwright over its debugging port."""

import base64
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import URLError

from playwright.async_api import (
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Error,
    Page,
    async_playwright,
)

from tests.browsers.hosts import HOSTS
from tests.browsers.loop import LoopThread
from tests.browsers.process import BrowserProcess, Profile
from tests.browsers.tab import PATIENCE, Browser, Context, PageLeftError, Tab

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",
    "--host-resolver-rules=" + ",".join(f"MAP {each} 127.0.0.1" for each in HOSTS),
]


class Chromium(Browser):
    """A Chromium with a fresh profile."""

    name = "chromium"

    def __init__(self, binary: str, loop: LoopThread) -> None:
        self._loop = loop
        profile = Profile()
        folder = profile.folder
        self._process = BrowserProcess(
            binary,
            *FLAGS,
            f"--user-data-dir={folder}",
            "--remote-debugging-port=0",
            "about:blank",
            profile=profile,
        )
        try:
            port = self._port(folder / "DevToolsActivePort")
            loop.run(self._connect(f"http://127.0.0.1:{port}"))
        except BaseException:
            self._process.close()
            raise

    def new_context(self) -> Context:
        """Return a user without cookies."""
        made = self._loop.run(self._browser.new_context(no_viewport=True))
        return ChromiumContext(made, self._loop)

    def close(self) -> None:
        """End the browser."""
        self._loop.run(self._disconnect())
        self._process.close()

    def _port(self, said: Path) -> int:
        """Return the port that the kernel chose, once the browser answers on it."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.is_running:
            try:
                port = int(said.read_text("ascii").splitlines()[0])
                urllib.request.urlopen(f"http://127.0.0.1:{port}/json/version").close()
            except (OSError, URLError, ValueError, IndexError):
                time.sleep(0.05)
            else:
                return port
        raise RuntimeError("Chromium did not start.")

    async def _connect(self, address: str) -> None:
        self._playwright = await async_playwright().start()
        self._browser = await self._playwright.chromium.connect_over_cdp(address)

    async def _disconnect(self) -> None:
        await self._browser.close()
        await self._playwright.stop()


class ChromiumContext(Context):
    """One user of the Chromium."""

    def __init__(self, context: BrowserContext, loop: LoopThread) -> None:
        self._context = context
        self._loop = loop
        self._dark = False
        context.set_default_timeout(PATIENCE * 1000)

    def open(self, url: str) -> Tab:
        """Open *url* in a new tab."""
        tab = self._loop.run(self._open())
        if self._dark:
            tab.prefer_dark()
        tab.resize(1280, 800)
        tab.goto(url)
        return tab

    async def _open(self) -> "ChromiumTab":
        # Listening to a page starts a task, so it must happen in the browser's loop.
        return ChromiumTab(await self._context.new_page(), self._loop)

    def cookies(self) -> dict[str, dict[str, Any]]:
        """Return what is stored."""
        return {each["name"]: each for each in self._loop.run(self._context.cookies())}

    def prefer_dark(self) -> None:
        """Let tabs opened from now on prefer dark."""
        self._dark = True

    def close(self) -> None:
        """Close its tabs and forget its cookies."""
        self._loop.run(self._context.close())


class ChromiumTab(Tab):
    """One tab of the Chromium."""

    def __init__(self, page: Page, loop: LoopThread) -> None:
        self._page = page
        self._loop = loop
        self.console = []
        self._devtools: CDPSession | None = None
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.console.append(f"uncaught {error}"))

    def _note(self, message: ConsoleMessage) -> None:
        where = message.location.get("url", "")
        if message.type in ("error", "warning") and "favicon" not in where:
            self.console.append(f"{message.type} {message.text} {where}")

    def goto(self, url: str) -> None:
        """Load *url*."""
        self._loop.run(self._page.goto(url))

    def evaluate(self, expression: str) -> Any:
        """Return the JSON value of *expression*."""
        try:
            return self._loop.run(self._page.evaluate(f"() => ({expression})"))
        except Error as error:
            if "context was destroyed" in error.message:
                raise PageLeftError from error
            raise

    def click(self, selector: str) -> None:
        """Click the first visible match."""
        self._loop.run(self._page.locator(selector).first.click())

    def type(self, text: str) -> None:
        """Type *text* into what has the focus."""
        self._loop.run(self._page.keyboard.type(text))

    def press(self, key: str) -> None:
        """Press a key."""
        self._loop.run(self._page.keyboard.press(key))

    def prefer_dark(self) -> None:
        """Let the page see ``prefers-color-scheme: dark``."""
        self._loop.run(self._page.emulate_media(color_scheme="dark"))

    def resize(self, width: int, height: int, *, scale: float = 1) -> None:
        """Set the viewport."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale}
        self._send("Emulation.setDeviceMetricsOverride", {**size, "mobile": False})

    def screenshot(self, path: Path, *, full: bool = False) -> None:
        """Write a picture, in the pixels of the device."""
        how: dict[str, Any] = {"format": "png", "captureBeyondViewport": full}
        if full:
            size = self._send("Page.getLayoutMetrics", {})["cssContentSize"]
            how["clip"] = {**size, "scale": 1}
        picture = self._send("Page.captureScreenshot", how)
        path.write_bytes(base64.b64decode(picture["data"]))

    def _send(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a command of the DevTools protocol."""
        return self._loop.run(self._command(method, params))

    async def _command(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if self._devtools is None:
            self._devtools = await self._page.context.new_cdp_session(self._page)
        return await self._devtools.send(method, params)

    def close(self) -> None:
        """Close the tab."""
        self._loop.run(self._page.close())

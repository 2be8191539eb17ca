"""Firefox, started by ourselves and driven over WebDriver BiDi."""

import asyncio
import base64
import itertools
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.browsers.hosts import HOSTS
from tests.browsers.loop import LoopThread
from tests.browsers.process import BrowserProcess, Profile
from tests.browsers.tab import PATIENCE, Browser, Context, Tab

PREFERENCES = {
    "remote.active-protocols": 1,
    "devtools.jsonview.enabled": False,
    "browser.startup.page": 0,
    "browser.shell.checkDefaultBrowser": False,
    "app.update.disabledForTesting": True,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "extensions.update.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "services.settings.server": "data:,",
    "network.dns.localDomains": ",".join(HOSTS),
}
_CAPABILITIES = {"alwaysMatch": {"acceptInsecureCerts": True}}
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Shift": "\ue008"}


class BiDi:
    """A WebDriver BiDi session: commands by number, events by method."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.logs: list[dict[str, Any]] = []
        self._reader = asyncio.create_task(self._read())

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        said = {"id": number, "method": method, "params": params}
        await self._socket.send(json.dumps(said))
        async with asyncio.timeout(30):
            message = await answer
        if message["type"] == "error":
            raise AssertionError(f"{method}: {message['error']}: {message['message']}")
        result: dict[str, Any] = message["result"]
        return result

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for raw in self._socket:
                message = json.loads(raw)
                if "id" in message:
                    waiting = self._waiting.pop(message["id"])
                    if not waiting.done():
                        waiting.set_result(message)
                elif message.get("method") == "log.entryAdded":
                    self.logs.append(message["params"])

    async def close(self) -> None:
        """End the session and its connection."""
        with suppress(ConnectionClosed, TimeoutError, AssertionError):
            await self.send("browser.close")
        await self._socket.close()
        await self._reader


class Firefox(Browser):
    """A Firefox with a fresh profile."""

    name = "firefox"

    def __init__(self, binary: str, loop: LoopThread) -> None:
        self._loop = loop
        profile = Profile()
        lines = (
            f"user_pref({json.dumps(name)}, {json.dumps(value)});"
            for name, value in PREFERENCES.items()
        )
        (profile.folder / "user.js").write_text("\n".join(lines), "ascii")
        self._process = BrowserProcess(
            binary,
            "--headless",
            "--no-remote",
            "--profile",
            str(profile.folder),
            "--remote-debugging-port=0",
            "about:blank",
            profile=profile,
        )
        try:
            self._bidi = loop.run(self._connect(profile.folder))
        except BaseException:
            self._process.close()
            raise

    def new_context(self) -> Context:
        """Return a user without cookies."""
        made = self._loop.run(
            self._bidi.send("browser.createUserContext", acceptInsecureCerts=True)
        )
        return FirefoxContext(made["userContext"], self._bidi, self._loop)

    def close(self) -> None:
        """End the browser."""
        self._loop.run(self._bidi.close())
        self._process.close()

    async def _connect(self, folder: Path) -> BiDi:
        said = folder / "WebDriverBiDiServer.json"
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and self._process.is_running:
            try:
                port = json.loads(said.read_text("utf-8"))["ws_port"]
                address = f"ws://127.0.0.1:{port}/session"
                socket = await connect(
                    address, max_size=None, proxy=None, ping_interval=None
                )
            except (OSError, ValueError, KeyError):
                await asyncio.sleep(0.1)
                continue
            bidi = BiDi(socket)
            await bidi.send("session.new", capabilities=_CAPABILITIES)
            await bidi.send("session.subscribe", events=["log.entryAdded"])
            return bidi
        raise RuntimeError("Firefox did not start.")


class FirefoxContext(Context):
    """One user of the Firefox."""

    def __init__(self, user: str, bidi: BiDi, loop: LoopThread) -> None:
        self._user = user
        self._bidi = bidi
        self._loop = loop

    def open(self, url: str) -> Tab:
        """Open *url* in a new tab."""
        made = self._loop.run(
            self._bidi.send(
                "browsingContext.create", type="tab", userContext=self._user
            )
        )
        tab = FirefoxTab(made["context"], self._bidi, self._loop)
        tab.resize(1280, 800)
        tab.goto(url)
        return tab

    def cookies(self) -> dict[str, dict[str, Any]]:
        """Return what is stored."""
        partition = {"type": "storageKey", "userContext": self._user}
        found = self._loop.run(
            self._bidi.send("storage.getCookies", partition=partition)
        )
        return {each["name"]: each for each in found["cookies"]}

    def prefer_dark(self) -> None:
        """Firefox has no such command; the pictures in dark are Chromium's."""
        raise NotImplementedError

    def close(self) -> None:
        """Close its tabs and forget its cookies."""
        self._loop.run(
            self._bidi.send("browser.removeUserContext", userContext=self._user)
        )


class FirefoxTab(Tab):
    """One tab of the Firefox."""

    def __init__(self, context: str, bidi: BiDi, loop: LoopThread) -> None:
        self._context = context
        self._bidi = bidi
        self._loop = loop

    @property
    def console(self) -> list[str]:  # type: ignore[override] - derived, not stored
        """Return the errors and warnings of this tab."""
        return [
            f"{each['level']} {each['text']}"
            for each in self._bidi.logs
            if each["source"].get("context") == self._context
            and each["level"] in ("error", "warn")
        ]

    def _send(self, method: str, **params: Any) -> dict[str, Any]:
        return self._loop.run(self._bidi.send(method, context=self._context, **params))

    def goto(self, url: str) -> None:
        """Load *url*."""
        self._send("browsingContext.navigate", url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """Return the JSON value of *expression*."""
        said = f"(async () => JSON.stringify((await ({expression})) ?? null))()"
        answer = self._loop.run(
            self._bidi.send(
                "script.evaluate",
                expression=said,
                target={"context": self._context},
                awaitPromise=True,
            )
        )
        if answer["type"] == "exception":
            raise AssertionError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def click(self, selector: str) -> None:
        """Click the first visible match."""
        x, y = self._find(selector)
        mouse = {"type": "pointer", "id": "mouse"}
        steps = [
            {"type": "pointerMove", "x": round(x), "y": round(y)},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self._send("input.performActions", actions=[mouse | {"actions": steps}])

    def type(self, text: str) -> None:
        """Type *text* into what has the focus."""
        self._keys(*((kind, c) for c in text for kind in ("keyDown", "keyUp")))

    def press(self, key: str) -> None:
        """Press a key."""
        codes = [KEYS[each] for each in key.split("+")]
        down = [("keyDown", code) for code in codes]
        self._keys(*down, *(("keyUp", code) for code in reversed(codes)))

    def resize(self, width: int, height: int, *, scale: float = 1) -> None:
        """Set the viewport."""
        self._send(
            "browsingContext.setViewport",
            viewport={"width": width, "height": height},
            devicePixelRatio=scale,
        )

    def screenshot(self, path: Path, *, full: bool = False) -> None:
        """Write a picture."""
        origin = "document" if full else "viewport"
        picture = self._send("browsingContext.captureScreenshot", origin=origin)
        path.write_bytes(base64.b64decode(picture["data"]))

    def close(self) -> None:
        """Close the tab."""
        self._send("browsingContext.close")

    def _keys(self, *steps: tuple[str, str]) -> None:
        actions = [{"type": kind, "value": code} for kind, code in steps]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self._send("input.performActions", actions=[keyboard])

    def _find(self, selector: str) -> tuple[float, float]:
        """Return the middle of the first match that can be seen and be clicked."""
        visible = (
            f"[...document.querySelectorAll({json.dumps(selector)})].find(e => "
            "e.checkVisibility({visibilityProperty: true}) && !e.disabled)"
        )
        self.wait_for(visible, within=PATIENCE)
        middle = (
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); "
            "const r = e.getBoundingClientRect(); "
            f"return [r.x + r.width / 2, r.y + r.height / 2]; }})({visible})"
        )
        x, y = self.evaluate(middle)
        return x, y

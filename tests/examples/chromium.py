"""A headless Chromium, driven over its DevTools protocol with Tornado's WebSocket client."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from tornado.websocket import websocket_connect

PROGRAM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--headless=new",
    "--no-sandbox",  # Chromium's own needs what a container does not give
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
]


class Chromium:
    """One page of a browser; an async context manager.

    Args:
        folder: an empty folder for its profile.

    Attributes:
        complaints (list of str): what the page's console has of errors and warnings.
    """

    def __init__(self, folder: Path) -> None:
        self.complaints: list[str] = []
        self._folder = folder
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def __aenter__(self) -> Self:
        assert PROGRAM
        self._process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *FLAGS,
            f"--user-data-dir={self._folder}",
            "about:blank",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._socket = await websocket_connect(await self._address(), max_message_size=1 << 26)
            self._listening = asyncio.create_task(self._listen())
            found = await self.send("Target.getTargets")
            (page,) = [one for one in found["targetInfos"] if one["type"] == "page"]
            await self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)
            for domain in ("Page", "Runtime", "Log"):
                await self.send(f"{domain}.enable")
        except BaseException:
            self._process.kill()
            await self._process.wait()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.send("Browser.close")
        self._socket.close()
        await self._listening
        async with asyncio.timeout(30):
            await self._process.wait()

    async def _address(self) -> str:
        """Where it listens: it writes that into its profile."""
        told = self._folder / "DevToolsActivePort"
        for _ in range(600):
            if told.exists() and (lines := told.read_text().split()) and len(lines) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            assert self._process.returncode is None, "Chromium has ended by itself"
            await asyncio.sleep(0.05)
        raise TimeoutError("Chromium does not start")

    async def _listen(self) -> None:
        while (text := await self._socket.read_message()) is not None:
            message = json.loads(text)
            told = message.get("params", {})
            match message.get("method"):
                case None:
                    self._waiting.pop(message["id"]).set_result(message)
                case "Target.attachedToTarget":
                    self._session = told["sessionId"]
                case "Runtime.exceptionThrown":
                    self.complaints.append(json.dumps(told["exceptionDetails"]))
                case "Log.entryAdded" if told["entry"]["level"] in ("warning", "error"):
                    self.complaints.append(told["entry"]["text"])

    _session: str | None = None

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol; give its result."""
        number = next(self._numbers)
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        if self._session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        await self._socket.write_message(json.dumps(message))
        async with asyncio.timeout(30):
            said = await answer
        assert "error" not in said, said
        return said["result"]

    # -- what a viewer does -----------------------------------------------------------------------

    async def open(self, url: str, width: int = 900, height: int = 900, dark: bool = False) -> None:
        """Go to a page, in a window of this size, on a system in light or dark."""
        await self.resize(width, height, dark)
        await self.send("Page.navigate", url=url)
        await self.until("document.readyState == 'complete' && location.href != 'about:blank'")

    async def resize(self, width: int, height: int, dark: bool = False) -> None:
        """Make the window as large as this."""
        size = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 500}
        await self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def see(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        said = await self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def until(self, expression: str, seconds: float = 20) -> Any:
        """Wait for an expression to become true; give its value."""
        end = time.monotonic() + seconds
        while not (value := await self.see(expression)):
            if time.monotonic() > end:
                shown = await self.see("document.body.innerText")
                raise AssertionError(f"never true: {expression}\nThe page shows:\n{shown}")
            await asyncio.sleep(0.05)
        return value

    async def type(self, selector: str, text: str) -> None:
        """Put a text into a field, in place of what is there."""
        await self.see(f"document.querySelector({selector!r}).select()")
        await self.send("Input.insertText", text=text)

    async def click(self, selector: str) -> None:
        """Click in the middle of an element."""
        x, y = await self.see(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])"
            f"(document.querySelector({selector!r}).getBoundingClientRect())"
        )
        at = {"x": x, "y": y, "button": "left", "clickCount": 1}
        await self.send("Input.dispatchMouseEvent", type="mousePressed", **at)
        await self.send("Input.dispatchMouseEvent", type="mouseReleased", **at)

    async def screenshot(self) -> bytes:
        """A picture of the window, as a PNG."""
        taken = await self.send("Page.captureScreenshot", format="png")
        return base64.b64decode(taken["data"])

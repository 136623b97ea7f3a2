"""A real browser without a window, spoken to through a pipe: pages opened, looked at, tabbed through."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import rig

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars=false",
)  # fmt: skip
PATIENCE_S = 30.0

Json = dict[str, Any]


def program() -> str | None:
    """The browser of this machine."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def lacking() -> str:
    """Why no page can be looked at here, "" when one can."""
    if os.name != "posix":
        return "the pipe to a browser is made for POSIX alone"
    return "" if program() else f"none of {', '.join(PROGRAMS)} on PATH"


class Browser:
    """One that runs: commands of the DevTools protocol, one object ended by NUL, and the events that came."""

    def __init__(self, read: int, write: int) -> None:
        self.read, self.write = read, write
        self.number, self.rest = 0, b""
        self.events: list[Json] = []

    def call(self, method: str, session: str = "", **params: Any) -> Json:
        """The result of one command; events that come before it are kept."""
        self.number += 1
        order = {"id": self.number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self.write, json.dumps(order).encode("utf-8") + b"\0")
        while "id" not in (said := self.next()):
            self.events.append(said)
        assert "error" not in said, f"{method}: {said['error']}"
        result: Json = said["result"]
        return result

    def next(self) -> Json:
        """The next object that it says."""
        end = time.monotonic() + PATIENCE_S
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.read], [], [], max(0.0, end - time.monotonic()))
            more = os.read(self.read, 1 << 20) if ready else b""
            assert more, "the browser says nothing"
            self.rest += more
        line, self.rest = self.rest.split(b"\0", 1)
        said: Json = json.loads(line)
        return said

    def until(self, method: str) -> None:
        """Wait for an event."""
        while not any(event["method"] == method for event in self.events):
            self.events.append(self.next())


class Page(NamedTuple):
    """An opened page."""

    browser: Browser
    session: str

    def tell(self, method: str, **params: Any) -> Json:
        """A command about this page."""
        return self.browser.call(method, self.session, **params)

    def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        said = self.tell("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key."""
        code = {"Tab": 9, "ArrowRight": 39}[key]
        for kind in ("keyDown", "keyUp"):
            self.tell(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                modifiers=8 if shift else 0,
            )  # fmt: skip

    def picture(self, path: Path) -> None:
        """The whole page as a PNG."""
        said = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(said["data"]))

    def complaints(self) -> list[str]:
        """What the console says in red, what was thrown, and every request but for the page itself."""
        found = []
        for event in self.browser.events:
            params, method = event.get("params", {}), event["method"]
            if method == "Runtime.exceptionThrown" or (
                method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning")
            ):
                found.append(json.dumps(params))
            if method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append(params["entry"]["text"])
            if method == "Network.requestWillBeSent" and params["request"]["url"] != self.js("document.URL"):
                found.append(f"it asked for {params['request']['url']}")
        return found


@contextlib.contextmanager
def running(profile: Path) -> Iterator[Browser]:
    """A browser of its own, ended afterwards."""
    path = program()
    assert path
    theirs_in, ours_out = (_high(fd) for fd in os.pipe())
    ours_in, theirs_out = (_high(fd) for fd in os.pipe())
    with (profile / "browser.log").open("wb") as log:
        actions = [
            (os.POSIX_SPAWN_DUP2, theirs_in, 3), (os.POSIX_SPAWN_DUP2, theirs_out, 4),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 1), (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
        ]  # fmt: skip
        argv = [path, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        env = {**os.environ, "HOME": str(profile)}
        pid = os.posix_spawn(path, argv, env, file_actions=actions)
    os.close(theirs_in)
    os.close(theirs_out)
    made = Browser(ours_in, ours_out)
    try:
        yield made
    finally:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        with contextlib.suppress(OSError, AssertionError):
            made.call("Browser.close")
        os.close(ours_out)
        os.close(ours_in)
        _ended(family)


def _high(fd: int) -> int:
    """The same file under a number that is not one of those that the browser wants."""
    import fcntl  # which Windows has not

    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return moved


def _ended(family: list[psutil.Process]) -> None:
    _gone, left = psutil.wait_procs(family, timeout=5)  # which also reaps our own child
    for one in left:
        rig.end(one)


@contextlib.contextmanager
def opened(browser: Browser, url: str, *, width: int, height: int = 900, dark: bool = False) -> Iterator[Page]:
    """A page in a tab of that size."""
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    page = Page(browser, session)
    browser.events.clear()
    for domain in ("Page", "Runtime", "Log", "Network"):
        page.tell(f"{domain}.enable")
    page.tell(
        "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    page.tell("Emulation.setEmulatedMedia", features=[scheme])
    page.tell("Page.navigate", url=url)
    browser.until("Page.loadEventFired")
    try:
        yield page
    finally:
        browser.call("Target.closeTarget", targetId=target)

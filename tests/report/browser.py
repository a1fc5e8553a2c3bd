"""Chromium, as far as the tests of pages need it."""

import json
import shutil
import subprocess
import time

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")


class Browser:
    """Chromium, headless, as far as these tests need its debugging protocol."""

    def __init__(self, profile):
        websocket = pytest.importorskip("websocket", reason="websocket-client is not installed")
        quiet = ["disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"]
        quiet += ["headless", "no-sandbox", "disable-component-update", "disable-sync"]
        options = [f"--{name}" for name in (*quiet, "remote-debugging-port=0")]
        command = [CHROMIUM, *options, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        line = next(line for line in self.process.stderr if "DevTools listening" in line)
        self.socket = websocket.create_connection(
            line.split()[-1], suppress_origin=True, timeout=60
        )
        self.number, self.events, self.session = 0, [], None
        (page,) = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        given = {"targetId": page["targetId"], "flatten": True}
        self.session = self.call("Target.attachToTarget", **given)["sessionId"]
        for domain in ("Network", "Runtime", "Log", "Page"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        self.socket.send(json.dumps(message))
        while (answer := json.loads(self.socket.recv())).get("id") != self.number:
            self.events.append(answer)
        return answer["result"]

    def evaluate(self, code):
        given = {"expression": code, "returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", **given)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, code, seconds=40):
        end = time.monotonic() + seconds
        while not self.evaluate(code):
            assert time.monotonic() < end, code
            time.sleep(0.05)

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(20)
        self.process.stderr.close()

    def size(self, width, scheme="light"):
        """The window's width in CSS pixels, and whether it is "light" or "dark"."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def open(self, page):
        self.call("Page.navigate", url=page.as_uri())
        self.wait("document.readyState === 'complete'")

    def sent(self):
        """The addresses that were asked for."""
        named = (e for e in self.events if "requestWillBeSent" in e.get("method", ""))
        return [e["params"]["request"]["url"] for e in named if "request" in e["params"]]

    def complaints(self):
        said = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [event for event in self.events if event.get("method") in said]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

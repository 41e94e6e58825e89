"""The page, served by a process of its own and looked at by a browser.

```sh
python tests/app/page_in_browser.py docs/demo.png
```

asks about a clip and takes the screenshot of the README.
"""

import base64
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")
# Runs the command and writes down each address that it looks for.
_AUDITED = """
import sys

log = open(sys.argv.pop(1), "a", buffering=1)


def note(event, details):
    if event == "socket.getaddrinfo":
        print(details[0], file=log)
    elif event == "socket.connect" and isinstance(details[1], tuple):
        print(details[1][0], file=log)


sys.addaudithook(note)

from keras_mirasol.app.__main__ import main

main()
"""


class ServedPage:
    """The command, as a context: `url` is where it serves.

    Args:
        folder: path. For its log, and the log of the hosts that it asks.
        arguments: strings. Of the command, beside its port.
    """

    def __init__(self, folder, *arguments):
        self._hosts = Path(folder) / "hosts.txt"
        self._log = Path(folder) / "log.txt"
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._command = [
            *(sys.executable, "-c", _AUDITED, self._hosts),
            *(*arguments, "--port", str(port)),
        ]

    def __enter__(self):
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                # What the browser is there for does not hang on the backend,
                # and PyTorch compiles nothing.
                env={**os.environ, "KERAS_BACKEND": "torch"},
            )
        while "Running on" not in self.log():
            if self._process.poll() is not None:
                raise RuntimeError(self.log())
            time.sleep(0.2)
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()

    def log(self):
        """What it has printed."""
        return self._log.read_text(errors="replace")

    def hosts(self):
        """Hosts that it looked for."""
        return set(self._hosts.read_text().split())


class Browser:
    """Chromium without a screen, as a context.

    Args:
        url: str. The page to open.
        seconds: float. How long to wait for what should appear.
    """

    def __init__(self, url, seconds=60):
        self._url, self._seconds = url, seconds

    def __enter__(self):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in (
            *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"),
            # A camera and a microphone that need nobody's consent.
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            "--window-size=1400,1000",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        self._driver = webdriver.Chrome(
            options=options, service=webdriver.ChromeService(CHROMEDRIVER)
        )
        self._driver.get(self._url)
        return self

    def __exit__(self, *_):
        self._driver.quit()

    def find(self, selector):
        """The first visible element of a CSS selector, once it is there."""
        return self.wait(
            lambda: next(
                (e for e in self._all(selector) if e.is_displayed()), None
            )
        )

    def wait(self, condition):
        """Waits until a condition holds; returns what it gave."""
        return WebDriverWait(
            self._driver,
            self._seconds,
            ignored_exceptions=[StaleElementReferenceException],
        ).until(lambda _: condition())

    def upload(self, path):
        """Gives the page a clip, instead of the one that it may have."""
        for clear in self._all('#clip button[aria-label="Clear"]'):
            clear.click()
        # It may have shown the camera.
        self.click('#clip button[aria-label="Upload file"]')
        self.wait(lambda: self._all("#clip input[type=file]"))[0].send_keys(
            str(path)
        )
        # Shown at once, and on the server a moment later.
        name = Path(path).name
        self.wait(
            lambda: [
                video
                for video in self._all("#clip video")
                if name in (video.get_property("src") or "")
            ]
        )

    def record(self, seconds):
        """Gives the page a clip of its camera and microphone."""
        for clear in self._all('#clip button[aria-label="Clear"]'):
            clear.click()
        self.click('#clip button[aria-label="Capture from camera"]')
        self._driver.execute_script(
            "arguments[0].click()",
            self.wait(lambda: self._button("Click to Access Webcam")),
        )
        self.wait(lambda: self._button("Record")).click()
        time.sleep(seconds)
        self.wait(lambda: self._button("Stop")).click()
        self.wait(
            lambda: [
                video
                for video in self._all("#clip video")
                if "/file=" in (video.get_property("src") or "")
            ]
        )

    def type(self, selector, text):
        """Writes into a field, instead of what it has."""
        field = self.find(f"{selector} textarea")
        field.clear()
        field.send_keys(text)

    def click(self, selector):
        """Clicks, once nothing lies above it."""
        self._driver.execute_script("arguments[0].click()", self.find(selector))

    def open_tab(self, name):
        """Shows another tab."""
        (tab,) = [e for e in self._all("button[role=tab]") if e.text == name]
        tab.click()

    def message(self, start):
        """The message that begins so, once it is shown; then all are closed."""
        text = self.wait(
            lambda: next(
                (
                    e.text
                    for e in self._all(".toast-message-text")
                    if e.text.startswith(start)
                ),
                None,
            )
        )
        for close in self._all(".toast-close"):
            self._driver.execute_script("arguments[0].click()", close)
        self.wait(lambda: not self._all(".toast-body"))
        return text

    def ask(self, question):
        """Asks about the whole clip; returns the answer."""
        self.type("#question", question)
        self.click("#ask")
        return self.wait(
            lambda: self.find("#answer textarea").get_property("value")
        )

    def hosts(self):
        """Hosts that the page asked for anything."""
        messages = [
            json.loads(entry["message"])["message"]
            for entry in self._driver.get_log("performance")
        ]
        urls = [
            urlsplit(message["params"]["request"]["url"])
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        # The others are in the page itself.
        return {url.hostname for url in urls if url.scheme.startswith("http")}

    def screenshot(self, path):
        """Writes a picture of the page from top to bottom."""
        from PIL import Image

        taken = self._driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True}
        )
        image = Image.open(io.BytesIO(base64.b64decode(taken["data"])))
        image.convert("RGB").save(path, optimize=True)

    def _button(self, text):
        return next(
            (e for e in self._all("#clip button") if e.text == text), None
        )

    def _all(self, selector):
        return self._driver.find_elements(By.CSS_SELECTOR, selector)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    from keras_mirasol.app.examples import write_examples

    with tempfile.TemporaryDirectory() as folder:
        path, question = write_examples(folder)[2]
        with ServedPage(folder) as page, Browser(page.url, 300) as browser:
            browser.upload(path)
            browser.ask(question)
            browser.find("#picture img")
            time.sleep(1)  # until what moves has come to rest
            browser.screenshot(sys.argv[1])


if __name__ == "__main__":
    main()

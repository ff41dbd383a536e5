"""A headless Chromium for tests of pages; they skip, saying why, where there is none."""

import base64
import contextlib
import json
import shutil
from importlib import resources
from pathlib import Path

import pytest

DESKTOP, PHONE = (1280, 900), (390, 844)


def needs_browser():
    """Skip a module where there is no Chromium with its driver."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)}: apt install chromium chromium-driver", allow_module_level=True)
    for name in ("selenium", "axe_core_python"):
        pytest.importorskip(name, reason=f"{name} isn't installed: pip install '.[dev]'")


class Browser:
    """A browser with one page."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path: Path, size=DESKTOP, scheme="light", scripts=True):
        """Open a page and wait until its charts are drawn."""
        self.command("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=size[0],
            height=size[1],
            deviceScaleFactor=1,
            mobile=size == PHONE,
        )
        self.colours(scheme)
        self.driver.get_log("browser")
        self.driver.get(path.as_uri())
        if scripts and self.run("return document.getElementById('data-plotly') !== null"):
            self.wait("return document.documentElement.dataset.drawn === 'yes'")

    def colours(self, scheme, media=""):
        """Choose a colour scheme, and what the page is shown on: `print`."""
        self.command(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, script, seconds=30):
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds).until(lambda driver: driver.execute_script(script))

    def errors(self):
        """What the console has complained about since the page was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def violations(self):
        """What axe-core finds against WCAG 2 A and AA, contrast too: (rule, the first of the elements).

        What is in a chart is a picture to it; `test_page.py` looks at charts' colours.
        """
        source = resources.files("axe_core_python").joinpath("axe.min.js").read_text()
        self.run(source)
        rules = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']"
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            f"axe.run({{exclude: ['.plot']}}, {{runOnly: {rules}}}).then(done)"
        )
        return [
            (each["id"], json.dumps(each["nodes"][0]["html"])[:200], each["nodes"][0].get("failureSummary", "")[:300])
            for each in found["violations"]
        ]

    def screenshot(self, path: Path, whole=True):
        """Write what the page looks like as a PNG file."""
        shot = self.command(
            "Page.captureScreenshot", captureBeyondViewport=whole, **({"clip": self._whole()} if whole else {})
        )
        path.write_bytes(base64.b64decode(shot["data"]))

    def _whole(self):
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16_000), "scale": 1}

    def printed(self):
        """The page as a PDF file."""
        return base64.b64decode(self.command("Page.printToPDF", printBackground=True)["data"])


@contextlib.contextmanager
def browser():
    """Yield a headless Chromium that has no network."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_script_timeout(240)
    try:
        made = Browser(driver)
        made.command("Emulation.setFocusEmulationEnabled", enabled=True)  # else nothing has the focus
        made.command("Network.enable")
        made.command(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
        )
        yield made
    finally:
        driver.quit()

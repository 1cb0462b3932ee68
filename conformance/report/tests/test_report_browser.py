"""The HTML page in a real browser (headless Chromium): it filters, opens, fits a phone, and runs nobody else's script."""

import os
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

from espproof.adapters.case import Case, DeleteSa, Octets, Sa
from espproof.adapters.models.niantic import NianticAdapter
from espproof.conformance.replay.trace import trace
from espproof.conformance.report import folder, html, trace_page
from espproof.conformance.results.model import RunResult

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: the extra `test`")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="chromium or chromedriver is not installed: apt-get install -y chromium chromium-driver",
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
DUMMY = "RFC4303-2.6-dummy-discarded"
DEVICE_SA = Sa(
    name="a", direction="out", spi=300, mode="transport", source="192.0.2.1", destination="198.51.100.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(range(16)), salt=Octets(b"salt"),
)  # fmt: skip

Browse = Callable[..., Any]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield chrome
    finally:
        chrome.quit()


@pytest.fixture
def browse(driver: Any) -> Iterator[Browse]:
    """Open a page at a width, light or dark; afterwards the console must be empty of errors."""

    def go(path: Path, fragment: str = "", *, width: int = 1400, dark: bool = False) -> Any:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 700}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        driver.get("about:blank")
        driver.get(path.as_uri() + fragment)
        return driver

    yield go
    said = [entry for entry in driver.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}]
    # a test that opens hundreds of findings in a second is quicker than Chromium lets an address change
    assert [entry for entry in said if "ipc-flooding-protection" not in entry["message"]] == []


@pytest.fixture(scope="module")
def page(found: RunResult, reference: RunResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    return folder.write_page([folder.write(found, out), folder.write(reference, out)], out)


@pytest.fixture(scope="module")
def hostile_page(hostile: RunResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hostile")
    return folder.write_page([folder.write(hostile, out)], out)


def all_of(driver: Any, selector: str) -> list[Any]:
    return list(driver.find_elements("css selector", selector))


def one(driver: Any, selector: str) -> Any:
    return driver.find_element("css selector", selector)


def visible(driver: Any) -> list[str]:
    return list(driver.execute_script("return [...document.querySelectorAll('tr.req:not([hidden])')].map(r => r.id)"))


def choose(driver: Any, selector: str, value: str) -> None:
    script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
    driver.execute_script(script, one(driver, selector), value)


def overflow(driver: Any) -> int:
    script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(driver.execute_script(script))


def cell(requirement: str, run: int = 0) -> str:
    return f'.cell[data-id="{requirement}"][data-run="{run}"]'


def test_each_filter_leaves_the_rows_that_match(browse: Browse, page: Path, found: RunResult) -> None:
    driver = browse(page)
    everything = visible(driver)
    choose(driver, "#f-document", "RFC4303")
    assert 0 < len(visible(driver)) < len(everything)
    assert all(name.startswith("RFC4303-") for name in visible(driver))
    choose(driver, "#f-verdict", "fail")
    failing = {name for name, verdict in found.requirements.items() if verdict.value == "fail"}
    assert set(visible(driver)) == {name for name in failing if name.startswith("RFC4303-")}
    choose(driver, "#f-run", "1")
    assert visible(driver) == [], "the reference fails nothing"
    assert one(driver, "#nothing").is_displayed()
    one(driver, "#f-clear").click()
    assert visible(driver) == everything
    choose(driver, "#f-text", "DUMMY discard")
    assert DUMMY in visible(driver)
    assert all("dummy" in name for name in visible(driver))
    choose(driver, "#f-text", "")
    choose(driver, "#f-level", "SHOULD NOT")
    assert len(visible(driver)) < len(everything)


def test_waived_requirements_are_hidden_until_asked_for(browse: Browse, page: Path) -> None:
    driver = browse(page)
    few = len(visible(driver))
    one(driver, "#f-quiet").click()
    assert len(visible(driver)) > few
    assert one(driver, "#shown").text == f"{len(visible(driver))} of {len(visible(driver))} requirements"


def test_a_count_filters_by_verdict_and_implementation(browse: Browse, page: Path, found: RunResult) -> None:
    driver = browse(page)
    one(driver, '.count[data-verdict="warning"][data-run="0"]').click()
    assert len(visible(driver)) == found.verdicts["warning"]


def test_a_click_shows_expected_beside_got_with_dissected_packets(browse: Browse, page: Path) -> None:
    driver = browse(page)
    one(driver, cell(DUMMY)).click()
    panel = one(driver, "#panel")
    assert panel.is_displayed()
    assert "A receiver discards dummy packets without an error." in panel.text
    titles = [heading.text for heading in all_of(driver, "#panel .here .both h4")]
    assert titles[0].startswith("expected: dropped (dummy)")
    assert titles[1].startswith("got: delivered")
    assert "next header 59 (no next header)" in panel.get_attribute("textContent").replace("header59", "header 59")
    octets = all_of(driver, "#panel .octets span")
    assert len(octets) > 40
    assert (
        driver.execute_script("return getComputedStyle(arguments[0]).backgroundColor", octets[0]) != "rgba(0, 0, 0, 0)"
    )
    webdriver.ActionChains(driver).move_to_element(octets[0]).perform()
    assert "version, header length" in one(driver, "#panel .saying").text
    assert one(driver, "#panel .octets span.on")
    download = one(driver, "#panel .files a")
    assert download.get_attribute("download") == f"{DUMMY}.json"
    assert download.get_attribute("href").startswith("data:application/json;base64,")


def test_every_counterexample_can_be_opened(browse: Browse, page: Path, found: RunResult) -> None:
    driver = browse(page)
    for counterexample in found.counterexamples:
        driver.execute_script("arguments[0].click()", one(driver, cell(counterexample.requirement)))
        assert one(driver, "#panel h2").text == counterexample.requirement
        assert len(all_of(driver, "#panel .step")) == len(counterexample.case.steps)
        one(driver, "#close").click()


def test_the_keyboard_is_enough(browse: Browse, page: Path) -> None:
    driver = browse(page)
    keys = import_module("selenium.webdriver.common.keys").Keys
    start = one(driver, cell(DUMMY))
    driver.execute_script("arguments[0].focus()", start)
    start.send_keys(keys.ENTER)
    assert one(driver, "#panel").is_displayed()
    driver.switch_to.active_element.send_keys(keys.ESCAPE)
    assert not one(driver, "#panel").is_displayed()
    assert driver.switch_to.active_element == start
    start.send_keys(keys.ARROW_RIGHT)
    assert driver.switch_to.active_element.get_attribute("data-run") == "1"


def test_a_link_opens_its_cell(browse: Browse, page: Path) -> None:
    driver = browse(page, f"#{DUMMY}@0")
    assert one(driver, "#panel h2").text == DUMMY
    assert driver.execute_script("return location.hash") == f"#{DUMMY}@0"


def test_hostile_strings_are_shown_and_do_nothing(browse: Browse, hostile_page: Path, hostile: RunResult) -> None:
    """Name, version, messages, capabilities, requirement ids: all opened, none became an element or ran."""
    driver = browse(hostile_page)
    shown = driver.execute_script("return document.querySelector('.run .name').textContent")
    assert shown == hostile.adapter
    for button in all_of(driver, ".cell"):
        driver.execute_script("arguments[0].click()", button)
        assert all_of(driver, "main img, main script") == []
        close = all_of(driver, "#close")
        if close:
            driver.execute_script("arguments[0].click()", close[0])
    driver.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert driver.execute_script("return window.hacked") is None
    assert overflow(driver) <= 0


@pytest.mark.parametrize("width", [390, 768, 1400])
def test_no_page_scrolls_sideways(browse: Browse, page: Path, hostile_page: Path, width: int) -> None:
    for path, fragment in ((page, ""), (page, f"#{DUMMY}@0"), (hostile_page, "")):
        driver = browse(path, fragment, width=width)
        driver.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert overflow(driver) <= 0, f"{path.parent.name}{fragment}"
        panel = one(driver, "#panel")
        assert driver.execute_script("return arguments[0].scrollWidth - arguments[0].clientWidth", panel) <= 0


def brightness(driver: Any, selector: str, what: str) -> float:
    """0 to 1, of a computed colour, painted on a canvas because it may be in any notation."""
    script = """
        const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
        const pen = canvas.getContext("2d");
        pen.fillStyle = getComputedStyle(document.querySelector(arguments[0]))[arguments[1]];
        pen.fillRect(0, 0, 1, 1);
        const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
        return (0.299 * r + 0.587 * g + 0.114 * b) / 255;
    """
    return float(driver.execute_script(script, selector, what))


def test_dark_mode_follows_the_system_and_the_button_overrules_it(browse: Browse, page: Path) -> None:
    driver = browse(page, dark=True)
    assert brightness(driver, "html", "backgroundColor") < 0.2
    assert brightness(driver, "body", "color") > 0.8
    one(driver, "#theme").click()
    assert brightness(driver, "html", "backgroundColor") > 0.9
    driver = browse(page, dark=True)
    assert one(driver, "#theme-name").text == "light", "the choice is remembered"
    one(driver, "#theme").click()
    assert brightness(driver, "html", "backgroundColor") < 0.2
    one(driver, "#theme").click()
    driver = browse(page)
    assert brightness(driver, "html", "backgroundColor") > 0.9


def test_four_hundred_requirements_of_eight_implementations_filter_at_once(
    browse: Browse, found: RunResult, tmp_path: Path
) -> None:
    """A letter typed into the search is answered within a tenth of a second."""
    many = [html.Column(msgspec.structs.replace(found, adapter=f"implementation-{n}"), {}) for n in range(8)]
    path = tmp_path / "large.html"
    path.write_bytes(html.render(many))
    driver = browse(path)
    one(driver, "#f-quiet").click()
    assert len(visible(driver)) > 400
    assert overflow(driver) <= 0
    script = """
        const box = document.querySelector("#f-text"), start = performance.now();
        box.value = "pad"; box.dispatchEvent(new Event("input", {bubbles: true})); document.body.offsetHeight;
        return performance.now() - start;
    """
    times = sorted(driver.execute_script(script) for _ in range(5))
    assert times[2] < (100 if not os.environ.get("CI") else 1000)


@pytest.mark.parametrize("width", [1400, 390])
def test_what_driver_and_card_do_fits(browse: Browse, width: int, tmp_path: Path) -> None:
    """The page of a trace: three columns, or one on a phone; nothing runs over the edge."""
    case = Case(version=1, id="<b>a</b>", sas=(DEVICE_SA,), steps=(DeleteSa(sa="a"),))
    path = tmp_path / "trace.html"
    path.write_bytes(trace_page.render(trace(case, NianticAdapter())))
    chrome = browse(path, width=width)
    assert chrome.find_element("tag name", "h1").text == "<b>a</b>"
    left = {one.location["x"] for one in chrome.find_elements("css selector", ".lane")}
    assert len(left) == (3 if width > 700 else 1)
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width

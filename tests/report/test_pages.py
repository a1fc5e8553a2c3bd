"""The committed reports as a reader meets them: in a browser, from a file, at any width."""

import importlib.util
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from fer_lib.config import ROOT
from tests.report.browser import Browser, needs_chromium

PAGES = sorted((ROOT / "reports").glob("*/*.html"))
#: Bytes of a page by its name; all others are chapters.
MOST = {"index.html": 250_000, "laboratory.html": 8_000_000, "04_noise_evaluation.html": 900_000}
CHAPTER = 600_000
names = pytest.mark.parametrize("page", PAGES, ids=lambda p: f"{p.parent.name}-{p.stem}")
OVERFLOWS = "document.documentElement.scrollWidth > innerWidth"
#: What is wider than the window and no keyboard reaches: a reader cannot see all of it.
HIDDEN = """[...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1
  && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.tabIndex < 0).length"""

#: Tables that are wider than the paper, by their first line.
CUT = """[...document.querySelectorAll('.table, .wide')]
  .filter(e => e.scrollWidth > e.clientWidth + 1)
  .map(e => e.scrollWidth + ' of ' + e.clientWidth + ': ' + e.innerText.slice(0, 80))"""
VIOLATIONS = """axe.run().then(found => found.violations.map(
  one => one.id + ': ' + one.nodes[0].html.slice(0, 120)))"""


@names
def test_a_page_is_light(page):
    assert page.stat().st_size <= MOST.get(page.name, CHAPTER)


@pytest.mark.parametrize(
    "folder", sorted((ROOT / "reports").glob("*/figures")), ids=lambda p: p.parent.name
)
def test_a_report_has_no_figure_of_an_earlier_run(folder):
    """A figure whose name follows the results would stay behind when they change."""
    pages = "".join(p.read_text(encoding="utf-8") for p in folder.parent.glob("0*.html"))
    assert [p.name for p in folder.iterdir() if f'href="figures/{p.name}"' not in pages] == []


@names
def test_a_page_says_what_it_shows(page):
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    assert all(image.has_attr("alt") for image in soup("img"))
    assert len({tag["id"] for tag in soup.select("[id]")}) == len(soup.select("[id]"))
    if page.name not in MOST or page.name.startswith("04"):
        section = soup.select_one("main > section.answer")
        assert section.find_previous_sibling().h1  # the answer follows the question
        assert re.search(r"; commit [0-9a-f]{7}, 2\d\d\d-\d\d-\d\d$", soup.select_one(".run").text)
        captions = [caption.get_text() for caption in soup("figcaption")]
        numbers = [re.match(r"\s*Figure (\d+)\.(\d+)\. ", text).groups() for text in captions]
        assert numbers == [(str(int(page.name[:2])), str(n + 1)) for n in range(len(numbers))]
    for link in soup.select("a[href]"):
        target, _, place = link["href"].partition("#")
        other = page.parent / target if target else page
        if not re.match(r"https?:", target):
            assert other.exists(), target
            assert not place or f'id="{place}"' in other.read_text(encoding="utf-8"), link["href"]
    for cell in soup.select(".table td"):
        assert cell.get_text(strip=True) not in ("NaN", "None", "inf", "nan"), cell.parent
    for cell in soup.select(".table :is(th, td)"):  # no names of variables, no keys of methods
        if not cell.find_parent("details"):  # the settings' names
            assert not re.search(r"[a-z]_[a-z]|\bcae\b|compact", cell.get_text()), cell.parent


@pytest.mark.slow
@needs_chromium
def test_print_loses_no_column(tmp_path):
    """On A4, less margins of 15 mm: 680 CSS pixels."""
    with Browser(tmp_path / "profile") as browser:
        for page in PAGES:
            browser.size(680)
            browser.call("Emulation.setEmulatedMedia", media="print")
            browser.open(page)
            assert browser.evaluate(CUT) == [], page


@pytest.mark.slow
@needs_chromium
def test_axe_finds_nothing(tmp_path):
    """axe-core is under the MPL, so it is not among our packages; `.ci/run` fetches it."""
    if not (found := importlib.util.find_spec("axe_playwright_python")):
        pytest.skip("axe-playwright-python is not installed")
    axe = Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8")
    with Browser(tmp_path / "profile") as browser:
        for page in PAGES:
            for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
                browser.size(width, scheme)
                browser.open(page)
                browser.evaluate(axe)
                assert browser.evaluate(VIOLATIONS) == [], (page, width, scheme)


@pytest.mark.slow
@needs_chromium
def test_pages_open_from_a_file_ask_for_nothing_and_fit(tmp_path):
    with Browser(tmp_path / "profile") as browser:
        for page in PAGES:
            for width, scheme in ((1280, "light"), (390, "dark")):
                browser.size(width, scheme)
                browser.open(page)
                assert not browser.evaluate(OVERFLOWS), (page, width)
                assert browser.evaluate(HIDDEN) == 0, (page, width)
    assert all(url.startswith(("file://", "blob:", "data:")) for url in browser.sent())
    assert not browser.complaints()

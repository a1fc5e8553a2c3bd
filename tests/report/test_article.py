"""The front page: complete without script, self-contained, and made from the tables alone."""

import json
import re
import subprocess

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from fer_lib import config, paper
from fer_lib.report import article, html
from fer_lib.run.chapters import CHAPTERS
from tests.report.browser import CHROMIUM, needs_chromium

NAV = [("04 Noise", "04_noise.html", "What is lost?"), ("07 Limit", "07_limit.html", "Not yet.")]
VIEWER = pd.DataFrame(
    [
        (face, level, method, label, 0.5, f"viewer/{face}_{level:g}_{method}.png")
        for face in (3, 9)
        for level, method, label in (
            (0, "clean", "clean face"),
            *(
                (x, m, label)
                for x in (0.15, 0.3, 0.5)
                for m, label in (("noisy", "noisy"), ("cae", "<b>"))
            ),
        )
    ],
    columns=["face", "level", "method", "label", "ssim", "file"],
)


def make(folder, dataset="ferplus") -> BeautifulSoup:
    (folder / "figures").mkdir(exist_ok=True)
    for name in ("faces.png", ".faces.png.x"):
        (folder / "figures" / name).write_bytes(b"x" * 2000)
    record = json.loads((folder / "run.json").read_text())
    facts, banner = article.facts(folder, record), paper.caveat(dataset)
    html.index(folder / "index.html", title="Faces", nav=NAV, article=facts, banner=banner)
    return BeautifulSoup((folder / "index.html").read_text(encoding="utf-8"), "html.parser")


@pytest.fixture
def soup(write):
    return make(write())


def with_viewer(write) -> BeautifulSoup:
    folder = write(viewer=VIEWER)
    (folder / "viewer").mkdir()
    for file in VIEWER["file"]:
        (folder / file).write_bytes(file.encode())
    return make(folder)


def test_it_answers_before_anything_else(soup):
    assert soup.h1.get_text() == "Does an autoencoder that never saw noise remove it from faces?"
    cards = [card.get_text(" ", strip=True) for card in soup.select(".cards li")]
    assert [card.split(" ")[0] for card in cards] == ["partly", "holds", "explained"]
    assert "the network 0.50, the blur 0.60" in cards[0]
    assert "1/8 of its width: 1.9 of 243.6 million" in soup.select_one(".limits").get_text()
    heads = [head.get_text() for head in soup("h2")]
    assert heads[0] == "Words used here"
    assert "See it" not in heads  # there are no pictures


def test_the_lead_is_sixty_words_or_so(soup):
    assert len(soup.select_one(".lead").get_text().split()) <= 65


def test_words_are_defined_once(soup):
    words = soup.select_one(".words").get_text()
    for word in (*("SSIM", "As run", "Range-matched", "Without skips", "Our small network"), *WAYS):
        assert words.count(word) == 1, word


WAYS = ("The paper's noise", "Noise in [0, 1]", "Camera noise")


def test_every_method_is_in_the_plot_and_in_the_table_best_first(soup):
    assert len(soup.select(".dots")) == 3
    rows = [(li.span.get_text(), li.b.get_text()) for li in soup.select(".dots.at-1 li")]
    best = [("compact <ours>", "0.800"), ("Gaussian filter", "0.500")]
    assert rows == [*best, ("the paper's autoencoder", "0.400"), ("noisy input", "0.100")]
    assert soup.select_one(".dots .paper span").get_text() == "the paper's autoencoder"
    assert soup.select_one(".dots circle")["cx"] == "80.0%"
    cells = [cell.get_text() for cell in soup.select("table.sortable tbody tr")[1]("td")]
    scores = ["0.500", "0.500", "0.500", "20.0", "0.100", "1.50", "1,900,000"]
    assert cells == ["Gaussian filter", "nothing", "told", *scores]


def test_every_claim_is_told_once_with_its_chip(soup):
    claims = soup.select(".claims li")
    assert sorted(int(claim["value"]) for claim in claims) == list(range(1, len(claims) + 1))
    assert all(claim.select_one(".chip").get_text() for claim in claims)
    by_number = {int(claim["value"]): claim for claim in claims}
    assert by_number[7].em.get_text() == "0.2"
    assert by_number[2].q.get_text() == "a [0.15] claim"
    assert by_number[26].a["href"] == "04_noise.html#verdicts"
    assert by_number[26].parent.find_previous("p").get_text().startswith("The 8 that carry")
    assert by_number[1].find_parent("details")


def test_the_ladder_starts_at_the_printed_number_and_tells_its_largest_step(soup):
    assert [text.get_text() for text in soup.select(".ladder svg > text:not(.tick, .value)")] == [
        "printed in table I",
        "the code",
        "one range",
    ]
    assert soup.select_one(".ladder .value").get_text() == "0.50"
    told = soup.select_one(".ladder ~ ol").get_text()
    assert "“one range”: it changes SSIM without noise from 0.30 to 0.90." in told
    assert "SSIM goes from 0.90 without noise to 0.65, and MSE from 0.0200 to 0.5200." in told


def test_of_other_faces_there_is_a_banner_and_no_verdict(write):
    soup = make(write("orl"), "orl")
    assert "says nothing about the paper" in soup.select_one(".banner").get_text()
    assert not soup.select(".chip, .cards, .claims, .ladder")
    assert soup.select(".dots")


def test_the_viewer_needs_no_script_for_its_pictures(write):
    soup = with_viewer(write)
    assert soup.select_one(".viewer").has_attr("hidden")  # until the script is there
    images = soup.select(".strip img")
    assert len(images) == len(VIEWER)
    assert {image["data-cell"] for image in images} == {
        "clean",
        *(f"{at} {name}" for at in range(3) for name in ("noisy", "cae")),
    }
    alts = [image["alt"] for image in images]
    assert alts[:2] == [
        "Face 1: noisy at noise 0.15, SSIM 0.50",
        "Face 1: noisy at noise 0.3, SSIM 0.50",
    ]
    assert alts[-1] == "Face 2, clean"
    left, right = (
        [option["value"] for option in s("option")] for s in soup.select(".viewer select")
    )
    assert left == right == ["noisy", "cae", "clean"]
    assert soup.select_one('option[value="cae"]')["data-means"] == "0.400, 0.400, 0.400"
    assert soup.find("option", value="cae").get_text() == "<b>"


@pytest.mark.parametrize("pictures", [True, False])
def test_it_loads_nothing_and_links_to_what_is_there(write, pictures):
    soup = with_viewer(write) if pictures else make(write())
    for tag in soup.select("[src], link[href]"):
        assert (tag.get("src") or tag.get("href")).startswith("data:")
    assert not soup.select("script[src], iframe")
    assert not re.search(r"url\(|@import", soup.style.string)
    folder = write()
    links = [link["href"].partition("#")[0] for link in soup.select("main [href]")]
    assert {"04_noise.html", "tables/verdicts.csv", "figures/faces.png", "run.json"} <= set(links)
    for link in filter(None, links):
        assert (folder / link).exists(), link
    identities = [tag["id"] for tag in soup.select("[id]")]
    assert len(set(identities)) == len(identities)
    labels = {label["for"] for label in soup.select("label[for]")}
    assert labels == {"level-0", "level-1", "level-2"} <= set(identities)


def test_a_chapter_without_its_page_is_named_without_a_link(soup):
    texts = [item.get_text(" ", strip=True) for item in soup.select(".chapters li")]
    assert texts == ["04 Noise What is lost?", "07 Limit (not in this run) Not yet."]
    assert len(soup.select(".chapters a")) == 1


def test_files_have_a_size_and_tables_a_description(soup):
    files = [item.get_text(strip=True) for item in soup.select(".files li")]
    assert "faces.pngfaces · 2.0 kB" in files
    assert not any(".x" in file for file in files)
    template = (html.Path(html.__file__).parent / "template" / "about.j2").read_text()
    for name in (name for chapter in CHAPTERS for name in chapter.writes):
        assert f'"{name}": ' in template, name


def test_it_tells_where_the_run_comes_from(soup):
    facts = {row.dt.get_text(): row.dd.get_text() for row in soup.select(".facts div")}
    assert facts["commit"] == "abc, def, with changes"
    assert facts["command"] == "./run_all.sh <PATH>"
    assert facts["data"] == "ferplus, SHA-256 5afe"
    assert facts["hardware"] == "Xeon, 2 cores, GPU: none"
    assert facts["minutes"].startswith("3, ")
    assert facts["packages"] == "numpy 2.4.6, torch 2.14.1"
    assert "date" not in facts  # older runs have none


def test_it_cites_what_the_citation_file_does(soup):
    text = soup.select("main ul")[-1].get_text()
    citation = (config.ROOT / "CITATION.cff").read_text(encoding="utf-8")
    for title in re.findall(r'^title: "(.+)"|^    title: (An Unsupervised.+)', citation, re.M):
        assert "".join(title) in text


@pytest.mark.parametrize("page", sorted(config.ROOT.glob("reports/*/index.html")), ids=str)
def test_committed_front_pages_are_small(page):
    assert page.stat().st_size <= 250_000


@pytest.mark.slow
@needs_chromium
def test_in_a_browser_the_viewer_starts_and_nothing_is_complained_of(write, tmp_path):
    with_viewer(write)
    quiet = ["disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"]
    quiet += ["headless", "no-sandbox", "disable-component-update", "disable-sync"]
    options = [f"--{name}" for name in (*quiet, "enable-logging=stderr", "dump-dom")]
    options.append(f"--user-data-dir={tmp_path / 'profile'}")
    command = [CHROMIUM, *options, (tmp_path / "index.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "CONSOLE" not in done.stderr
    soup = BeautifulSoup(done.stdout, "html.parser")
    assert not soup.select_one(".viewer").has_attr("hidden")
    told = "Mean SSIM over all tested faces: noisy 0.100, <b> 0.400."
    assert soup.select_one("[role=status]").get_text() == told
    alts = [image["alt"] for image in soup.select(".pair img")][:2]
    assert alts == [
        "Left: Face 1: noisy at noise 0.3, SSIM 0.50",
        "Right: Face 1: <b> at noise 0.3, SSIM 0.50",
    ]
    assert len(soup.select("table.sortable th button")) == 10

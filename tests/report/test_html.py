"""The pages are self-contained and accessible; a report is written whole or not at all."""

import base64
import io
import os
import re

import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from fer_lib import paper
from fer_lib.config import UserError
from fer_lib.report import html
from tests import conftest

FRAME = """<div><style scoped>.dataframe tbody { color: red }</style>
<table border="1" class="dataframe"><thead><tr style="text-align: right;">
<th></th><th>model</th><th>psnr</th></tr></thead>
<tbody><tr><th>0</th><td>cae</td><td>26.80</td></tr>
<tr><th>1</th><td>bm3d</td><td>-1.5 [-2.0, -1.0]</td></tr>
<tr><th>2</th><td>pca</td><td>&lt; 1e-6</td></tr></tbody></table></div>"""
PICTURE = conftest.png(np.full((8, 8), 200, np.uint8))
FIGURE = new_output(
    "display_data",
    data={"image/png": base64.b64encode(PICTURE).decode(), "text/plain": "<Image>"},
    metadata={
        "image/png": {
            "name": "curve",
            "alt": 'A "curve"',
            "caption": r"PSNR at $\sigma$",
            "table": "psnr",
            "width": 400,
        }
    },
)
CELLS = [
    new_markdown_cell("# Denoising\n\nA face $x \\in [-1, 1]$ and a [link](https://example.org)."),
    new_code_cell("level = 0.5", metadata={"tags": ["parameters"]}),
    new_code_cell("secret = 1", metadata={"tags": ["remove-cell"]}),
    new_markdown_cell("## Results\n\n$$x_i^2$$\n\n## Results"),
    new_code_cell(
        "print('a')\nframe",
        outputs=[
            new_output("stream", name="stdout", text="10 %\r100 % <done>\n"),
            new_output("stream", name="stderr", text="a warning"),
            new_output("execute_result", data={"text/html": FRAME, "text/plain": "frame"}),
            FIGURE,
        ],
    ),
    new_code_cell(
        "",
        metadata={"tags": ["answer"]},
        outputs=[new_output("execute_result", data={"text/markdown": "It **holds**."})],
    ),
]
NAV = [("Data", "01.html"), ("Denoising", "02.html"), ("Ablation", "03.html")]


def render(folder, cells, banner=""):
    """Write `cells` as a notebook, render it as 02.html, and return the page's path."""
    book, page = folder / "book.ipynb", folder / "02.html"
    made = {"fer_lib": {"commit": "0123456789"}, "papermill": {"end_time": "2026-11-28T10:00:00"}}
    nbformat.write(new_notebook(cells=cells, metadata=made), book)
    html.render(book, page, title="Denoising & more", nav=NAV, banner=banner, run="A <run>")
    return page


@pytest.fixture(scope="module")
def soup(tmp_path_factory):
    page = render(tmp_path_factory.mktemp("report"), CELLS)
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def test_a_banner_stands_above_the_content(tmp_path):
    banner = paper.caveat("orl")
    page = BeautifulSoup(render(tmp_path, CELLS, banner).read_text(), "html.parser")
    (aside,) = page.select("aside.banner")
    assert "says nothing about the paper" in aside.get_text()
    assert aside.a["href"] == "../ferplus-cpu/index.html"
    assert aside.find_next("main")


def test_without_a_banner_there_is_no_empty_box(soup):
    assert not soup.select(".banner")


def test_page_loads_nothing(soup):
    assert not soup.select("script, iframe, link[rel=stylesheet]")
    loads = [tag.get("src") or tag.get("href") for tag in soup.select("[src], link[href]")]
    assert loads
    assert all(load.startswith("data:") for load in loads)
    assert not re.search(r"url\(|@import", soup.style.string)


def test_page_frame(soup):
    assert soup.html["lang"] == "en"
    assert soup.title.string == "Denoising & more"
    assert [tag.get_text() for tag in soup("h1")] == ["Denoising"]
    assert soup.select_one("a.skip")["href"] == "#" + soup.main["id"]
    hrefs = [link["href"] for link in soup.select("header a")]
    assert hrefs == ["index.html", "01.html", "02.html", "03.html"]
    assert soup.select_one("[aria-current=page]")["href"] == "02.html"
    ends = [(link.previous_sibling.strip(), link["href"]) for link in soup.select(".next a")]
    assert ends == [("Previous:", "01.html"), ("Next:", "03.html")]


def test_contents_reach_every_section(soup):
    hrefs = [link["href"] for link in soup.select(".contents a")]
    assert hrefs == ["#" + heading["id"] for heading in soup("h2")]
    assert len(set(hrefs)) == 2


def test_figure_has_alt_and_caption(soup):
    image = soup.figure.img
    assert image["alt"] == 'A "curve"'
    assert image["width"] == "400"
    kind, _, content = image["src"].partition(",")
    assert kind == "data:image/webp;base64"
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert np.array_equal(shown, np.asarray(Image.open(io.BytesIO(PICTURE)).convert("RGB")))
    assert soup.figcaption.get_text().strip().startswith("Figure 2.1. PSNR at")
    links = {link.get_text(): link["href"] for link in soup.select("figcaption .links a")}
    code = soup.figure.find_previous("details", class_="code")["id"]
    assert links == {
        "full size": "figures/curve.png",
        "data": "tables/psnr.csv",
        "code": f"#{code}",
    }
    assert soup.figure.a["href"] == "figures/curve.png"
    assert soup.figcaption.math


@pytest.mark.parametrize("found", [None, b"", PICTURE], ids=["gone", "damaged", "whole"])
def test_a_lost_or_damaged_figure_is_restored_from_the_notebook(tmp_path, found):
    figure = tmp_path / "figures" / "curve.png"
    figure.parent.mkdir()
    if found is not None:
        figure.write_bytes(found)
        os.utime(figure, (0, 0))
    render(tmp_path, CELLS)
    assert figure.read_bytes() == PICTURE
    assert (figure.stat().st_mtime == 0) == (found == PICTURE)  # a whole one is left alone


def test_maths_is_mathml(soup):
    assert {tag.get("display") for tag in soup("math")} == {"inline", "block"}
    assert "$" not in soup.main.get_text()
    assert soup.find("mo", form="prefix").string == "−"  # the sign in [-1, 1]


def test_streams_and_code(soup):
    text = soup.main.get_text()
    assert "a warning" not in text
    assert "secret" not in text
    assert soup.select_one("pre.output").get_text() == "100 % <done>"
    summaries = [tag.get_text(strip=True) for tag in soup.select("details > summary")]
    assert summaries == ["Code, 2 lines", "How to run this chapter", "Parameters"]
    assert not soup.select("details[open]")
    assert all(block.find_parent("details") for block in soup.select(".highlight"))


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        (["**It holds.** And more **bold**."], "It holds."),
        (["**It holds**: so"], "It holds."),
        (["No bold **first**."], ""),
        ([], ""),
    ],
)
def test_the_answer_of_a_chapter_is_its_first_sentence_in_bold(tmp_path, outputs, sentence):
    shown = [new_output("stream", name="stderr", text="**a warning**")]
    shown += [new_output("execute_result", data={"text/markdown": text}) for text in outputs]
    other = new_output("execute_result", data={"text/markdown": "**No answer.**"})
    cells = [new_markdown_cell("# A"), new_code_cell("", outputs=[other])]
    cells.append(new_code_cell("", metadata={"tags": ["answer"]}, outputs=shown))
    nbformat.write(new_notebook(cells=cells), tmp_path / "book.ipynb")
    assert html.answer(tmp_path / "book.ipynb") == sentence


def test_the_run_follows_the_answer(soup):
    assert soup.select_one(".answer + .run").get_text() == "A <run>; commit 0123456, 2026-11-28"


def test_the_answer_follows_the_question(soup):
    first, answer = soup.main("section", recursive=False)[:2]
    assert first.h1
    assert answer["aria-label"] == "Answer"
    assert answer.get_text().split() == ["Answer.", "It", "holds."]
    assert soup.main.get_text().count("It holds.") == 2  # and where the chapter comes to it
    assert soup.main.find("details", class_="settings").find_next_sibling(class_="next")


def test_two_heads_of_a_table_become_one_where_both_fit():
    named = pd.DataFrame({"SSIM": [0.5]}, index=pd.Index(["noisy"], name="method"))
    (head,) = BeautifulSoup(html._tables(named.to_html()), "html.parser").select("thead tr")
    assert [cell.get_text() for cell in head(["td", "th"])] == ["method", "SSIM"]
    two = pd.concat({"as it is": named}, axis=1)  # columns of two levels keep their rows
    heads = BeautifulSoup(html._tables(two.to_html()), "html.parser").select("thead tr")
    assert len(heads) == 3


def test_the_names_of_an_index_stay_where_the_columns_have_a_name_too():
    rows = pd.DataFrame([("fear", 12, 0.15, 0.1), ("fear", 12, 0.3, 0.2)], columns=[*"abcd"])
    table = html._tables(rows.pivot(index=["a", "b"], columns="c", values="d").to_html())
    (head,) = BeautifulSoup(table, "html.parser").select("thead tr")
    assert [cell.get_text() for cell in head(["td", "th"])] == ["a", "b", "0.15", "0.3"]


def test_table_marks_columns_of_numbers(soup):
    marked = [cell.get_text() for cell in soup.select(".table .number")]
    assert marked == ["psnr", "26.80", "-1.5 [-2.0, -1.0]", "< 1e-6"]
    assert soup.select_one(".table")["tabindex"] == "0"
    assert "dataframe tbody" not in str(soup)


@pytest.mark.parametrize("text", ["0.93", "-1e-05", "p < 1e-6", "p = 0.036", "27 %", "–", "∞"])
def test_what_counts_as_a_number(text):
    assert html._NUMBER.fullmatch(text)
    assert not html._NUMBER.fullmatch(f"chapter {text}")


def test_a_page_does_not_depend_on_those_before(tmp_path):
    first = render(tmp_path, CELLS).read_text()
    render(tmp_path, CELLS[:1])
    assert render(tmp_path, CELLS).read_text() == first


@pytest.mark.parametrize("maths", [r"\nosuch x", r"\operatorname*{arg\,min} x", r"{"])
def test_failed_render_leaves_the_old_page(tmp_path, maths):
    bad = [new_markdown_cell(f"# Title\n\n${maths}$")]
    with pytest.raises(UserError, match="maths"):
        render(tmp_path, bad)
    assert [file.name for file in tmp_path.iterdir()] == ["book.ipynb"]
    before = render(tmp_path, CELLS).read_bytes()
    with pytest.raises(UserError, match="maths"):
        render(tmp_path, bad)
    assert (tmp_path / "02.html").read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"book.ipynb", "02.html", "figures"}


def test_rendering_is_deterministic(tmp_path):
    assert render(tmp_path, CELLS).read_bytes() == render(tmp_path, CELLS).read_bytes()

"""Names and texts that are HTML are shown as they are: nothing of them becomes part of a page."""

import json

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_notebook, new_output

from fer_lib.report import article, html
from tests.report import test_html

#: Each would make an element <xss>, or an attribute `onxss`, where it is not escaped.
TEXTS = [
    "<xss>",
    "&lt;xss&gt;<xss onxss=1>",
    '"><xss>',
    "'><xss>",
    '" onxss="1',
    "' onxss='1",
    "</title></script></style></textarea><xss>",
    "--><xss>",
    "]]><xss>",
    "`</code></pre><xss>",
    "{{ '<xss>' | safe }}",
    "\x1b[31m<xss>\x1b[0m",
]


def assert_harmless(page, shown: int) -> None:
    """The text is on the page at least so many times, but as text."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    assert soup.find("xss") is None
    assert not soup.find_all(lambda tag: any("onxss" in name for name in tag.attrs))
    assert soup.get_text().count("xss") >= shown


@pytest.mark.parametrize("text", TEXTS)
def test_what_a_chapter_prints_and_is_called(tmp_path, text):
    table = pd.DataFrame({text: [text, text]}, index=[text, "b"])
    figure = json.loads(json.dumps(test_html.FIGURE))
    figure["metadata"]["image/png"] |= {"alt": text, "table": text}
    outputs = [
        new_output("stream", name="stdout", text=text),
        new_output("stream", name="stderr", text=text),
        new_output("execute_result", data={"text/plain": text}),
        new_output("execute_result", data={"text/html": table.to_html(), "text/plain": ""}),
        nbformat.from_dict(figure),
    ]
    book, page = tmp_path / "book.ipynb", tmp_path / "02.html"
    nbformat.write(new_notebook(cells=[new_code_cell(f"x = {text!r}", outputs=outputs)]), book)
    html.render(book, page, title=text, nav=[(text, "02.html")], banner="", run=text)
    assert_harmless(page, 9)


@pytest.mark.parametrize("text", TEXTS)
def test_what_the_front_page_tells_of_a_run(write, text):
    folder = write()
    record = json.loads((folder / "run.json").read_text())
    record |= {"command": text, "date": text, "packages": {text: text}}
    record["data"]["checksum"] = record["hardware"]["cpu"] = record["hardware"]["gpu"] = text
    for name in ("tables", "figures"):
        file = "".join(letter for letter in text if letter.isprintable() and letter != "/")
        (folder / name).mkdir(exist_ok=True)
        (folder / name / f"{file}.csv").write_text("")
    nav = [(text, "04.html", "What is lost?")]
    facts = article.facts(folder, record)
    html.index(folder / "index.html", title=text, nav=nav, article=facts, banner="")
    assert_harmless(folder / "index.html", 7)

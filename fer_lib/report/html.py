"""Executed notebooks and the front page as HTML pages that load nothing: maths becomes
MathML and the pictures of a chapter become data. `template/` has the look of both."""

import base64
import functools
import io
import re
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert.exporters.html import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat.v4 import new_notebook
from PIL import Image
from traitlets.config import Config

from fer_lib.config import UserError
from fer_lib.tools import files

#: Widgets and scripts are left out: they would need the network.
_SHOWN = ["text/html", "text/markdown", "text/latex", "image/png", "text/plain"]
_SETTINGS = {
    "NbConvertBase": {"display_data_priority": _SHOWN},
    "CoalesceStreamsPreprocessor": {"enabled": True},
    "TagRemovePreprocessor": {"enabled": True, "remove_cell_tags": ["remove-cell"]},
}
#: 0.93, 1e-05, < 1e-6, p = 0.04, 27 %, 30.1 dB, 0.91 ± 0.02, 30.9 [30.1, 31.2]
_NUMBER = re.compile(
    r"((p ?)?[<=] ?)?[\[(+−-]*\.?\d[\d\s.,;±%()\[\]e+–−-]*(%|[A-Za-z]{1,3})?|[–∞]", re.I
)
#: Cells that pandas writes for machines.
_UNSAID = {"NaN": "–", "None": "–", "inf": "∞", "True": "yes", "False": "no"}
#: A minus after an opening bracket, a comma or an equals sign is a sign, set without space.
_SIGN = re.compile(r"((?:\[|&#x0005B;|&#x00028;|&#x0002C;|&#x0003D;)</mo>)<mo>(?=&#x02212;)")


def render(notebook: Path, page: Path, *, title: str, nav: list, banner: str, run: str) -> None:
    """Write an executed notebook as one HTML page. nav: (label, relative href) of every chapter in
    reading order, this one included. banner: Markdown above everything else. run: in words. Figures
    that were lost or damaged since are written again. Raises UserError for maths that cannot be
    converted; an older page then stays as it was."""
    book = nbformat.read(notebook, as_version=4)
    _write(book, page, embed=True, title=title, nav=nav, banner=banner, run=run)
    _restore_figures(book, page.parent / "figures")


def _restore_figures(book, folder: Path) -> None:
    """What `Study.show` saved is in the notebook too."""
    for output in (output for cell in book.cells for output in cell.get("outputs", ())):
        if name := output.get("metadata", {}).get("image/png", {}).get("name"):
            path, png = folder / f"{name}.png", base64.b64decode(output.data["image/png"])
            if not path.exists() or path.read_bytes() != png:
                with files.replacing(path) as temporary:
                    temporary.write_bytes(png)


def index(page: Path, *, nav: list[tuple], **resources) -> None:
    """Write the front page: the `article` that `article.facts` describes. title, banner: as of
    `render`; nav: with a sentence each. Without its page, a chapter is named and has no link."""
    there = [(label, href) for label, href, _ in nav if (page.parent / href).exists()]
    _write(new_notebook(), page, nav=there, chapters=nav, **resources)


def answer(notebook: Path) -> str:
    """The sentence in bold with which the answer of an executed chapter begins, or ""."""
    cells = nbformat.read(notebook, as_version=4).cells
    given = [o for c in cells if "answer" in c.metadata.get("tags", ()) for o in c.outputs]
    text = "".join(o.get("data", {}).get("text/markdown", "") for o in given)
    return said[1].rstrip(".") + "." if (said := re.match(r"\*\*(.+?)\*\*", text)) else ""


def _write(book, page: Path, *, embed: bool = False, **resources) -> None:
    """Write a notebook as a page; `resources` reach the template by their names."""
    renderer = Renderer(escape=False, embed_images=embed, path=str(page.parent))
    resources |= {"renderer": renderer, "page": page.name}
    files.write_text(page, exporter().from_notebook_node(book, resources=resources)[0])


@functools.cache
def exporter() -> HTMLExporter:
    """One for all pages: compiling its templates takes half a second."""
    return HTMLExporter(
        config=Config(_SETTINGS),
        template_name="template",
        extra_template_basedirs=[str(Path(__file__).parent)],
        filters={"markdown2html": _markdown, "tables": _tables, "webp": _webp},
    )


def _webp(png: str) -> str:
    """A picture in base64 as a smaller one: in 128 colours or, if that is less, with some loss."""
    picture, saved = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"), []
    picture = picture.quantize(128, dither=Image.Dither.NONE).convert("RGB")
    for options in ({"lossless": True, "quality": 75}, {"quality": 80}):
        file = io.BytesIO()
        picture.save(file, "WEBP", method=6, **options)
        saved.append(file.getvalue())
    return base64.b64encode(min(saved, key=len)).decode()


@pass_context
def _markdown(context, source: str) -> str:
    return MarkdownWithMath(renderer=context["resources"]["renderer"]).render(source)


class Renderer(IPythonRenderer):
    """Markdown with MathML, tables that scroll, figures, and headings that links can reach."""

    def __init__(self, **options):
        super().__init__(**options)
        self.headings = []  # (level, id, text) of each so far, for the contents list

    def heading(self, text: str, level: int, **attrs) -> str:
        plain = re.sub(r"<[^>]*>|&\w+;", "", text).lower()
        slug = base = re.sub(r"\W+", "-", plain).strip("-") or "section"
        number, taken = 1, {"main", *(slug for _, slug, _ in self.headings)}
        while slug in taken:
            number += 1
            slug = f"{base}-{number}"
        self.headings.append((level, slug, text))
        return f'<h{level} id="{slug}">{text}</h{level}>\n'

    def inline_math(self, body: str) -> str:
        return self.block_math(body, "inline")

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def block_math(self, body: str, display: str = "block") -> str:
        """Raises UserError for what latex2mathml does not understand."""
        failure = f"maths {body.strip()!r} cannot be converted"
        try:
            html = convert(body, display=display)
        except Exception as error:  # the parser's tables raise errors of any kind
            raise UserError(f"{failure}: {error!r}") from error
        if re.search(r"\\|<mi>&</mi>|<mo ?/>", html):  # the rest of what it did not understand
            hint = r"use simpler commands, such as \operatorname{argmin} or the align* environment"
            raise UserError(f"{failure}: {hint}")
        # latex2mathml writes \sim as a letter; a relation has space around it.
        html = html.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")
        # Bars grow with their formula only where \left and \right ask for it.
        html = re.sub("<mo>(?=&#x02016;|&#x0007C;)", '<mo stretchy="false">', html)
        return _SIGN.sub(r'\1<mo form="prefix">', html)

    def table(self, text: str) -> str:
        return _tables(f"<table>{text}</table>")


def _merge_heads(rows: list) -> None:
    """Make one row of pandas' two: the columns, and below them the names of the index."""
    if len(rows) == 2 and not any(cell.has_attr("colspan") for row in rows for cell in row("th")):
        for above, below in zip(*(row("th") for row in rows), strict=True):
            above.string = below.get_text() or above.get_text()
        rows[1].decompose()


def _tables(html: str) -> str:
    """`html` with tables that scroll, columns of numbers marked, and without pandas' styles."""
    soup = BeautifulSoup(html, "html.parser")
    for style in soup.select("style[scoped]"):
        style.decompose()
    for table in soup("table"):
        del table["border"]
        for cell in table(["td", "th"]):
            if cell.string in _UNSAID:
                cell.string = _UNSAID[cell.string]
        _merge_heads(table.select("thead tr"))
        body = [row("td") for row in table.select("tbody tr")]
        heads = [row("th") for row in table.select("thead tr") if not row.select("[colspan]")]
        # Columns are counted from the right, where rows of a hierarchical index agree.
        for back in range(1, max(map(len, body), default=0) + 1):
            cells = [row[-back] for row in body if len(row) >= back]
            texts = [text for cell in cells if (text := cell.get_text(strip=True))]
            if texts and all(_NUMBER.fullmatch(text) for text in texts):
                for cell in cells + [row[-back] for row in heads if len(row) >= back]:
                    cell["class"] = "number"
        for cell in table("th"):
            if not cell.get_text(strip=True):
                cell.name = "td"  # the heading of nothing
        # A keyboard can scroll only what it can reach.
        attrs = {"class": "table", "tabindex": "0", "role": "group", "aria-label": "Table"}
        table.wrap(soup.new_tag("div", attrs=attrs))
    return str(soup)

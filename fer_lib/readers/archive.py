"""A folder and a zip read alike, a zip in place; what is damaged is said in one line."""

import codecs
import contextlib
import csv
import io
import itertools
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from fer_lib.config import UserError
from fer_lib.readers import sources

Tree = Path | zipfile.Path
LONGEST = 2**20  # characters of a table's row: more of it comes from no person
#: What decoders of zip, CSV and PNG raise for a damaged file.
DAMAGE = (OSError, EOFError, RuntimeError, SyntaxError, ValueError, csv.Error, lzma.LZMAError)
DAMAGE += (struct.error, zipfile.BadZipFile, zlib.error, Image.DecompressionBombError)


def root(source: Path) -> Tree:
    """The top folder of a data set. Raises UserError for a damaged or a dangerous zip."""
    folder = source
    if source.is_file():
        try:
            archive = zipfile.ZipFile(source)
        except DAMAGE:
            raise UserError(f"{source} is not a whole zip file: give a zip or a folder") from None
        for entry in archive.infolist():
            name = entry.filename
            entry.filename = name.replace("\\", "/")  # as some of Windows' tools write it
            if ".." in entry.filename.split("/") or entry.filename.startswith("/"):
                raise UserError(f"{source} holds {name!r}, which points outside it: not a safe zip")
        archive.NameToInfo = {entry.filename: entry for entry in archive.infolist()}
        folder = zipfile.Path(archive)
    with reading(folder):
        return sources.top(folder)


@contextlib.contextmanager
def reading(file: Tree) -> Iterator[None]:
    """Say in one line, as a UserError, which file is damaged and how."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{str(file)!r} is missing") from None
    except (UnicodeDecodeError, csv.Error):
        raise UserError(f"{str(file)!r} is not a text table") from None
    except Image.UnidentifiedImageError:
        raise UserError(f"{str(file)!r} is not a PNG image") from None
    except DAMAGE as error:
        raise UserError(f"cannot read {str(file)!r}: {error!r:.200}") from None


def csv_rows(file: Tree) -> Iterator[list[str]]:
    """The rows of a table by commas, semicolons or tabs, without blank ones, one by one."""
    with reading(file), file.open("rb") as stream:
        utf16 = stream.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        text = io.TextIOWrapper(stream, "utf-16" if utf16 else "utf-8-sig", newline="")
        lines = iter(lambda: text.readline(LONGEST), "")
        first = next(lines, "")
        rows = csv.reader(itertools.chain([first], lines), delimiter=max(",;\t", key=first.count))
        yield from (row for row in rows if any(map(str.strip, row)))

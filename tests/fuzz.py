"""Damaged and hostile input: is it always read, or refused in one line?

    python -m tests.fuzz [--count 100000] [--seed 0] [--at NUMBER] [--write]

Each input is a whole file that was damaged at random: a data set, a picture, a checkpoint; or
parameters of a notebook, or an array for `denoise`. What reads it must return or raise UserError of
one line. Nothing may be unpickled, nothing written outside the fuzzer's folder, no more than 3 GB
of memory taken. An input is made from the seed and its number: --at makes one of them again.
--write puts the counts into docs/reliability.md.
"""

import argparse
import contextlib
import io
import os
import random
import resource
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from docs import readme
from fer_lib import config, denoise
from fer_lib.config import UserError
from fer_lib.readers import archive, ferplus, sources
from fer_lib.tools import pictures, weights
from tests import conftest, faults

START, END = "<!-- inputs: made by tests/fuzz.py -->", "<!-- end of inputs -->"
MEMORY = 3 * 2**30
LONGEST = 600  # characters of a message
#: What breaks readers of text, of numbers, of sizes, and pages.
TOKENS = [b"", b"\0", b"\xff", b"\xff\xff\xff\xff", b"\xfe\xff", b"\r", b"\n\n", b'"', b",", b";"]
TOKENS += [
    b"-1",
    b"1e9",
    b"NaN",
    b"256",
    b"999999999999",
    b"../",
    b"..\\",
    b"<script>",
    b"{}",
    b"[",
]
TOKENS += [b"\xe2\x80\xae", b"\xd9\xa3", b"fer0000001.png", b"__metadata__", b"data_offsets"]
VALUES = [
    0,
    1,
    -1,
    2**63,
    1.5,
    float("nan"),
    None,
    True,
    "",
    "quick",
    "smoke",
    "../..",
    "a\0b",
    "~",
]
VALUES += [
    "~",
    "<b>x</b>",
    "orl",
    "~nobody/x",
    "x" * 5000,
    "\n",
    "‮",
    [],
    {},
    b"x",
    "/dev/null",
    ".",
]


def damaged(content: bytes, chance: random.Random) -> bytes:
    """`content` after one to four cuts, repeats, changed bits and bytes, or strange words."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(data) + 1), int(2 ** chance.uniform(0, 8))
        match chance.randrange(6):
            case 0:
                del data[at : at + length]
            case 1:
                data[at:at] = data[at : at + length]
            case 2:
                del data[at:]
            case 3 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 4 if at < len(data):
                data[at : at + 4] = chance.randbytes(4)
            case _:
                data[at : at + chance.randrange(5)] = chance.choice(TOKENS)
    return bytes(data)


class Targets:
    """One method for each kind of input; `chance` makes it."""

    def __init__(self, folder: Path):
        self.folder, rows = folder, conftest.make_rows()
        self.forms = [conftest.folders_form(rows), conftest.kaggle_form(rows)]
        self.pictures = list(whole_pictures())
        weights.save(folder / "whole.safetensors", {"model.a": torch.ones(3, 4)}, key="a-1")
        self.checkpoint = (folder / "whole.safetensors").read_bytes()

    def data_set(self, chance: random.Random) -> None:
        form, path = dict(chance.choice(self.forms)), self.folder / "data.zip"
        if chance.random() < 0.7:  # one file in a whole archive
            name = chance.choice([*form][:2] if chance.random() < 0.5 else [*form])
            new = name if chance.random() < 0.8 else chance.choice(["../", "/", "a/", ""]) + name
            form[new] = damaged(form.pop(name), chance)
        method = chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
        with warnings.catch_warnings(action="ignore"):  # the same name twice
            conftest.write_zip(path, form, top=chance.choice(["", "FERPlus/"]), method=method)
        if chance.random() < 0.4:
            path.write_bytes(damaged(path.read_bytes(), chance))
        root = archive.root(path)
        sources.recognise(root)
        ferplus.read(root)

    def picture(self, chance: random.Random) -> None:
        name, content = chance.choice(self.pictures)
        path = self.folder / f"picture.{name}"
        path.write_bytes(damaged(content, chance))
        picture, white = pictures.read(str(path), longest=chance.choice([0, 20]))
        assert picture.dtype == np.float32
        assert 0 <= picture.min() <= picture.max() <= 1
        if picture.size < 10**5:
            pictures.write(picture, str(self.folder / chance.choice(["a.png", "a.tif"])), white)

    def checkpoint_file(self, chance: random.Random) -> None:
        path = self.folder / "model" / "checkpoint.safetensors"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(damaged(self.checkpoint, chance))
        weights.header(path)
        tensors, facts = weights.load(path)
        assert isinstance(facts, dict)
        assert all(isinstance(tensor, torch.Tensor) for tensor in tensors.values())

    def parameters(self, chance: random.Random) -> None:
        path = chance.choice(VALUES)
        config.load(*(chance.choice(VALUES) for _ in range(3)))
        sources.find(path)

    def array(self, chance: random.Random) -> None:
        shape = [chance.choice([0, 1, 2, 3, 4, 5, 9, 48]) for _ in range(chance.randrange(5))]
        if np.prod(shape) > 10**5:
            return
        kind = np.dtype(chance.choice("?bBhHiIlLefdgFDOUS"))
        values = np.asarray(chance.choice([0, 1, 0.5, 2, -1, np.nan, np.inf])).astype(kind)
        images = np.full(shape, values).astype(kind, order=chance.choice("CF")).T
        array, _ = pictures.array(images if chance.random() < 0.8 else images.tolist())
        pictures.channel(array.shape, chance.choice(["", "HW", "HWC", "CHW", "x"]))
        denoise._check(torch.from_numpy(array))


def whole_pictures():
    """(ending, bytes) of small pictures of many kinds."""
    ramp = np.arange(48 * 48).reshape(48, 48)
    gray, deep = (ramp % 256).astype(np.uint8), (ramp * 28).astype(np.uint16)
    colour = Image.fromarray(np.stack([gray, gray.T, 255 - gray], axis=-1))
    kinds = {"png": [Image.fromarray(gray), Image.fromarray(deep), colour, colour.convert("RGBA")]}
    kinds["png"] += [colour.convert("P"), colour.convert("1"), colour.convert("LA")]
    kinds["tif"] = [Image.fromarray(deep), Image.fromarray(gray / np.float32(255)), colour]
    kinds |= dict.fromkeys(("jpg", "bmp", "gif", "webp", "ppm", "tga", "ico"), [colour])
    for ending, images in kinds.items():
        for image in images:
            file = io.BytesIO()
            image.save(file, Image.registered_extensions()[f".{ending}"])
            yield ending, file.getvalue()


def watch(folder: Path) -> list[str]:
    """A list to which everything is added that is unpickled or written outside `folder`."""
    seen, allowed = [], (os.path.realpath(folder), os.devnull)

    def hook(event: str, arguments: tuple) -> None:
        if event == "pickle.find_class":
            seen.append(f"unpickled {arguments}")
        path = arguments[0] if arguments else None
        writes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate")
        writes |= event == "open" and bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR))
        if writes and isinstance(path, str) and not os.path.realpath(path).startswith(allowed):
            seen.append(f"{event} {path}")

    sys.addaudithook(hook)
    return seen


def fault(call, chance: random.Random) -> str:
    """What is wrong with how an input was taken; "" if nothing is."""
    try:
        call(chance)
    except UserError as error:
        message = str(error)
        if "\n" in message or len(message) > LONGEST:
            return f"a message of several lines or too long: {message[:200]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def fuzz(count: int, seed: int, at: int | None = None) -> tuple[list[str], Counter]:
    """What was found wrong with `count` inputs, and how many there were of each kind; at: only with
    the input of that number."""
    warnings.simplefilter("ignore")
    found, kinds = [], Counter()
    taken = Path("/proc/self/statm")
    if taken.exists():
        most = int(taken.read_text().split()[0]) * resource.getpagesize() + MEMORY
        limits = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most, limits[1]))
    with tempfile.TemporaryDirectory() as place:
        targets, seen = Targets(Path(place)), watch(Path(place))
        calls = [targets.data_set, targets.picture, targets.picture, targets.checkpoint_file]
        calls += [targets.parameters, targets.array]
        for number in range(count) if at is None else [at]:
            call = calls[number % len(calls)]
            what = fault(call, random.Random(f"{seed}, {number}")) or "; ".join(seen)
            kinds[call.__name__] += 1
            if what:
                found.append(f"{number}, {call.__name__}: {what}")
                seen.clear()
    if taken.exists():
        resource.setrlimit(resource.RLIMIT_AS, limits)
    return found, kinds


def main() -> int:
    """The exit code: 1 if any input was taken wrongly."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", type=int)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    start = time.monotonic()
    with contextlib.redirect_stderr(io.StringIO()):  # notes on what was read
        found, kinds = fuzz(options.count, options.seed, options.at)
    wrong = Counter(line.split(", ")[1].split(":")[0] for line in found)
    rows = [(name.replace("_", " "), count, wrong[name]) for name, count in kinds.items()]
    rows.append(("**all**", kinds.total(), wrong.total()))
    lines = ["| input | tried | taken wrongly |", "| --- | ---: | ---: |"]
    text = "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])
    print("\n".join([*found[:40], text, f"{time.monotonic() - start:.0f} s"]))
    if options.write:
        page = readme.insert(faults.PAGE.read_text(encoding="utf-8"), f"{text}\n", START, END)
        faults.PAGE.write_text(page, encoding="utf-8")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

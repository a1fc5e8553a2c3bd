"""What a run asks for, and what of it is there: the one policy for what runs again.

A chapter is up to date while all that decides its results is as it was when it was executed: the
versions and settings of the wings that it uses, its notebook, the data, the names of its trainings,
and the tables that it reads or wrote. No source code counts: whoever changes what a wing computes
raises its VERSION. `prepare` writes this down in work/RUN, where the Snakefile finds it:

    asked/NN.json       what decides chapter NN; asked/report.json the same of the pages
    trainings/KEY.json  the recipe of a training
    made/NN.json        chapter NN was executed: digests of what was asked and of its tables
    made/report.json    the pages were made: digests of all files of the report but the networks
    trained/KEY         the training has ended, here or where it was published"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from fer_lib import report
from fer_lib.config import REPORTS, ROOT, SPLIT_VERSION, WORK, Config, ModelConfig
from fer_lib.run import chapters
from fer_lib.run.chapters import CHAPTERS, WINGS, Chapter
from fer_lib.tools import files, weights

TEMPLATE = ROOT / "fer_lib" / "report" / "template"


def prepare(run: str, settings: Config, data: dict[str, str]) -> dict[str, str]:
    """Write what `run` asks for and take away the marks of what is not up to date; unchanged files
    keep their dates. data: name and checksum of the data set. Returns a title for people of every
    step of the workflow. Raises UserError for a damaged file of weights."""
    folder, titles = WORK / run, {"report": "the pages"}
    recipes = chapters.recipes(settings, data)
    stages = {stage.key: stage for wing in recipes.values() for r in wing for stage in r.stages}
    published, unmade = weights.index(), set()
    for key, recipe in stages.items():
        start, threads = recipe.start and recipe.start.key, recipe.training.threads
        facts = {"threads": threads, "start": start, "recipe": recipe}
        _write(folder / "trainings" / f"{key}.json", facts)
        trained = folder / "trained" / key
        if not (key in published or weights.finished(key)):
            trained.unlink(missing_ok=True)
        elif not trained.exists():  # a mark keeps its date
            files.write_text(trained, "")
        size = f", width {recipe.model.width:g}" if isinstance(recipe.model, ModelConfig) else ""
        titles[key] = f"{recipe.network}{size}, {recipe.training.epochs} epochs, seed {recipe.seed}"
    for chapter in CHAPTERS:
        trainings = sorted({r.key for name in chapter.trainings for r in recipes[name]})
        decides = {"notebook": _digest(chapter.source), "trainings": trainings}
        decides |= _decides(settings, ("core", *chapter.trainings), data)
        _write(folder / "asked" / f"{chapter.number}.json", decides)
        # Snakemake makes no missing mark again while a later one is there: later ones go too.
        if is_made(run, chapter) and unmade.isdisjoint(chapter.after):
            mark(run, chapter)
        else:
            unmade.add(chapter.number)
            (folder / "made" / f"{chapter.number}.json").unlink(missing_ok=True)
        (folder / "made" / f"{chapter.number}.page").unlink(missing_ok=True)
        titles[chapter.number] = f"{chapter.number} {chapter.title}"
    sources = [*sorted(TEMPLATE.iterdir()), ROOT / "docs" / "claims.md"]
    decides = {"report": report.VERSION, "template": {path.name: _digest(path) for path in sources}}
    _write(folder / "asked" / "report.json", decides | _decides(settings, tuple(WINGS), data))
    if unmade or not _is_sealed(run):
        (folder / "made" / "report.json").unlink(missing_ok=True)
    return titles


def _decides(settings: Config, wings: tuple[str, ...], data: dict[str, str]) -> dict:
    """Versions and settings of `wings`, and the data."""
    plans = {name: WINGS[name].PLANS[settings.profile] for name in wings if name != "core"}
    versions = {name: WINGS[name].VERSION for name in wings} | {"split": SPLIT_VERSION}
    return {"versions": versions, "settings": {"core": settings, **plans}, "data": data}


def _write(path: Path, content: dict) -> None:
    """Write JSON, dataclasses as dicts, unless just this is there."""
    text = json.dumps(content, indent=1, default=asdict)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        files.write_text(path, text)


def facts(run: str) -> dict[str, str]:
    """Name and checksum of the data set of a run."""
    return read(WORK / run / "asked" / "report.json")["data"]


def parameters(run: str) -> dict:
    """The parameters of every notebook of a run; the data is that of the environment."""
    core = read(WORK / run / "asked" / "report.json")["settings"]["core"]
    return {name: core[name] for name in ("profile", "seed", "seeds")}


def state(run: str, chapter: Chapter) -> dict[str, str]:
    """Digests, now, of what was asked of a chapter and of its tables; "" of what is not there."""
    paths = [REPORTS / run / "tables" / f"{name}.csv" for name in chapter.reads + chapter.writes]
    if "viewer" in chapter.writes:  # its pictures; figures are kept in the executed notebook too
        paths += sorted((REPORTS / run / "viewer").glob("[!.]*"))
    asked = _digest(WORK / run / "asked" / f"{chapter.number}.json")
    return {"asked": asked} | {path.name: _digest(path) for path in paths}


def is_made(run: str, chapter: Chapter) -> bool:
    """Whether the chapter's executed notebook was made from, and made, what is there now."""
    try:
        metadata = read(WORK / run / f"{chapter.name}.ipynb")["metadata"]
        return metadata["fer_lib"]["state"] == state(run, chapter)
    except (OSError, ValueError, KeyError, TypeError):  # it is not there, or damaged
        return False


def mark(run: str, chapter: Chapter) -> None:
    """Tell the workflow that the chapter is made. What depends on it goes by the mark's content."""
    _write(WORK / run / "made" / f"{chapter.number}.json", state(run, chapter))


def seal(run: str) -> None:
    """Tell the workflow that the pages are made, and note how all files of the report came out."""
    _write(WORK / run / "made" / "report.json", _report(run))


def _is_sealed(run: str) -> bool:
    """Whether all that was there when the pages were made is as it was."""
    try:
        return read(WORK / run / "made" / "report.json").items() <= _report(run).items()
    except (OSError, ValueError, AttributeError):  # it is not there, or damaged
        return False


def _report(run: str) -> dict[str, str]:
    places = [REPORTS / run / name for name in ("", "figures", "tables", "viewer")]
    paths = [path for place in places for path in place.glob("[!.]*.*")]
    return {str(path.relative_to(REPORTS / run)): _digest(path) for path in paths}


def read(path: Path) -> dict:
    """A JSON file, such as a notebook."""
    return json.loads(path.read_text(encoding="utf-8"))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""

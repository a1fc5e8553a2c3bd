"""`./run_all.sh verify`: do the numbers of the README and the front page follow from what is here?

    ./run_all.sh verify [--data ferplus.zip] [-- RUN]

Of a report (default: ferplus-cpu), in minutes, in three steps. From pictures to scores: some test
faces are denoised again by every filter and every network that is published; this needs the data of
the report. From the scores of all test faces to the tables. From the tables to the pages: README,
docs/claims.md and the front page are made again, and each number in them is compared. Prints how
many of how many agree, and where one does not; the exit code is 1 if any does not.
"""

import html
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from docs import claims, readme
from fer_lib import config, evaluation, verdicts
from fer_lib.config import REPORTS, ROOT, VARIANTS, UserError
from fer_lib.methods import lessons, plans, table
from fer_lib.noise import PROTOCOLS
from fer_lib.report import article, findings
from fer_lib.report import html as pages
from fer_lib.run.pages import NAV
from fer_lib.study import Study, open_study
from fer_lib.tools import weights

FACES = 40  # test faces that are scored again, evenly spaced
#: By how much a number may differ: processors round otherwise; stored scores have four digits.
SCORE, MEAN = 2e-3, 1e-4
NUMBER = re.compile(r"[-+−]?\d+(?:[.,]\d+)*")
Methods = dict[tuple[str, int], evaluation.Method]


class Tally:
    """Counts what agrees, and prints it."""

    def __init__(self):
        self.agree = self.all = 0

    def numbers(self, what: str, made: ArrayLike, there: ArrayLike, most: float) -> None:
        """Numbers of the same shape, which may differ by `most`, and above 1 by that part of it."""
        made, there = np.ravel(made).astype(float), np.ravel(there).astype(float)
        same = np.isclose(made, there, rtol=most, atol=most, equal_nan=True)
        self.say(what, same.sum(), same.size)
        for place in np.flatnonzero(~same)[:3]:
            print(f"  {made[place]:.6g} is {there[place]:.6g} there", flush=True)

    def text(self, what: str, made: str, there: str) -> None:
        """All numbers of a text, in their order."""
        ours, theirs = NUMBER.findall(made), NUMBER.findall(there)
        same = sum(a == b for a, b in zip(ours, theirs, strict=False))
        if ours or theirs:
            self.say(what, same, max(len(ours), len(theirs)))

    def say(self, what: str, agree: int, of: int) -> None:
        self.agree, self.all = self.agree + int(agree), self.all + int(of)
        print(f"{what}: {agree} of {of} agree", flush=True)


def stored(folder: Path, name: str) -> pd.DataFrame:
    """The scores of a table of `evaluation.by_image` as `evaluation.score` gives them."""
    wide = findings.read(folder, name).set_index("id")
    key = re.compile(rf"(\w+), ({'|'.join(map(re.escape, PROTOCOLS))}), (.+), (\d+), ([\d.]+)")
    wide.columns = pd.MultiIndex.from_tuples(
        [
            (m, protocol, method, int(seed), float(level))
            for m, protocol, method, seed, level in (
                key.fullmatch(column).groups() for column in wide.columns
            )
        ],
        names=["metric", "protocol", "method", "seed", "level"],
    )
    keys = ["protocol", "method", "seed", "level"]
    # `melt`, which the rule wants, would make rows of the metrics, too.
    long = wide.stack(keys, future_stack=True).reset_index()  # noqa: PD013
    with np.errstate(divide="ignore"):  # a perfect copy has an infinite PSNR
        psnr = -10 * np.log10(long["mse"])
    return long.assign(noise="gaussian", corrected=False, psnr=psnr, gmsd=0.0)  # the last: not kept


def published(study: Study) -> Methods:
    """Every network of chapters 4 and 6 that needs no training here."""
    asked, there, found = (study.settings, study.faces.checksum), weights.index(), {}
    plan = plans.PLANS[study.settings.profile]
    for recipe in config.recipes(*asked):
        if recipe.key in there:
            found[recipe.network, recipe.seed] = evaluation.network(study.reconstruct(recipe).model)
    for name, schedule in plan.named.items():
        for training in range(plan.trainings):
            recipe = plans.recipe(schedule, *asked, training)
            if recipe.key in there:
                model = lessons.train(study, recipe).model
                [method] = table.network(name, model).methods
                seed = study.settings.seed + training
                found[name, seed] = method
                if plans.NETWORKS.get(name, plans.NETWORKS["cae"]).mirrored:
                    found[f"{name}-mirrored", seed] = table.mirrored(method)
    return found


def scores(study: Study, tally: Tally) -> None:
    """From pictures to scores."""
    images, rows = study.side("test")
    some = np.linspace(0, len(rows), FACES, endpoint=False).astype(int)
    images, ids, seed = images[some], rows["id"].to_numpy()[some], study.settings.seed
    networks = published(study)
    filters = table.by_seed(table.filtered(study.read("tuning")), seed)
    core = {key: method for key, method in networks.items() if key[0] in VARIANTS}
    core[("noisy", seed)] = evaluation.nothing
    camera = {key: method for key, method in networks.items() if key[0] != VARIANTS[1]} | filters
    for name, methods, protocols in (
        ("autoencoder_images", core, tuple(PROTOCOLS)),
        ("references_images", camera, ("camera noise",)),
    ):
        options = {"levels": study.settings.levels, "seed": seed, "protocols": protocols}
        made = evaluation.score(images, ids, methods=methods, **options)
        keys = ["protocol", "method", "seed", "level", "id"]
        kept = stored(study.folder, name).set_index(keys).loc[pd.MultiIndex.from_frame(made[keys])]
        for metric in ("ssim", "mse"):
            what = f"{metric} of {len(ids)} faces by {len(methods)} methods ({name}.csv)"
            tally.numbers(what, made[metric], kept[metric], SCORE)


def tables(folder: Path, tally: Tally) -> None:
    """From scores to tables."""
    columns = [f"{name}{end}" for name in ("ssim", "mse", "psnr") for end in ("", "_lo", "_hi")]
    for name in ("autoencoder", "references"):
        made = evaluation.summarise(stored(folder, f"{name}_images")).set_index(evaluation.ROW)
        kept = findings.read(folder, name).set_index(evaluation.ROW)[columns]
        tally.numbers(f"{name}.csv", made.loc[kept.index, columns], kept, MEAN)
    kept = findings.read(folder, "verdicts")
    long = stored(folder, "autoencoder_images")
    order = pd.CategoricalIndex(long["protocol"], list(dict.fromkeys(kept["protocol"])))
    made = verdicts.answers(long.iloc[order.argsort()], VARIANTS[0], ("noisy", "blur"))
    keys = ["question", "protocol", "metric", "baseline", "at"]
    made, kept = (one.fillna("").set_index(keys) for one in (made, kept))
    made = made.loc[kept.index]
    columns = ["difference", "lo", "hi"]
    tally.numbers("verdicts.csv", made[columns], kept[columns], MEAN)
    tally.say("its verdicts", (made["verdict"] == kept["verdict"]).sum(), len(kept))


def texts(folder: Path, tally: Tally) -> None:
    """From tables to pages."""
    there = (ROOT / "README.md").read_text(encoding="utf-8")
    there = there.split(readme.START)[1].split(readme.END)[0]
    if f"reports/{folder.name}/" in there:
        tally.text("README.md", readme.markdown(folder), there)
        listed = {claim["number"]: claim["evidence"] for claim in findings.facts(folder)["claims"]}
        for number, (_, evidence) in claims.judge(folder / "tables").items():
            tally.text(f"claim {number} of docs/claims.md", evidence, listed.get(number, ""))
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    facts = article.facts(folder, record) | {"laboratory": "laboratory.html"}
    said = [answer(folder / page) for _, page in NAV]
    nav = [(*link, text) for link, text in zip(NAV, said, strict=True)]
    with tempfile.TemporaryDirectory() as place:
        for _, page in NAV:
            Path(place, page).touch()
        page = Path(place, "index.html")
        pages.index(page, title="", nav=nav, article=facts, banner="")
        made, there = (visible(path) for path in (page, folder / "index.html"))
    tally.text("the front page", made, there)


def answer(page: Path) -> str:
    """What stands in bold at the start of a chapter's answer, which the front page repeats."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    said = re.search(r"(?s)<strong>Answer\.</strong></p>\s*<p><strong>(.+?)</strong>", text)
    return html.unescape(re.sub(r"<[^>]*>", "", said[1])) if said else ""


def visible(page: Path) -> str:
    """The words of a page, without its pictures, styles and scripts."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"(?s)<(style|script|title|header)\b.*?</\1>", " ", text)
    return html.unescape(re.sub(r"<[^>]*>", " ", text))


def main(arguments: Sequence[str]) -> int:
    """Verify the report that is named; the exit code."""
    run, tally = arguments[0] if arguments else "ferplus-cpu", Tally()
    folder = REPORTS / run
    if not (folder / "run.json").exists():
        print(f"error: {folder.name} is no report here: make it, or name another", file=sys.stderr)
        return 1
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    texts(folder, tally)
    tables(folder, tally)
    try:
        study = open_study(record["profile"], seed=record["seeds"][0], seeds=len(record["seeds"]))
        if study.faces.checksum == record["data"]["checksum"]:
            scores(study, tally)
        else:
            print("no scores again: that takes the report's data set, with --data", flush=True)
    except UserError as error:
        print(f"no scores again: {error}", flush=True)
    print(f"{tally.agree} of {tally.all} numbers of {run} agree")
    return int(tally.agree < tally.all)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

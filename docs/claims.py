"""Writes the verdicts of claims.md: `python -m docs.claims`.

Each verdict, and the numbers beside it, are made from the tables of the FER+ report. Where the
tables cannot say, the verdict is "not tested".
"""

from pathlib import Path

import numpy as np
import pandas as pd

from docs import verify
from fer_lib import autoencoder, paper, stats
from fer_lib.audit.ablation import VANISHED
from fer_lib.audit.answer import CODE_BATCHES
from fer_lib.audit.remarks import OURS
from fer_lib.config import REPORTS
from fer_lib.methods import ranking
from fer_lib.tools import files

PAGE = Path(__file__).with_name("claims.md")
HOLDS, PARTLY, FAILS = "holds", "holds in part", "does not hold"
NOT_IN_CODE, NOT_TESTED = "not in the code", "not tested"


class Tables:
    """The tables of a report, read when they are asked for."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __getattr__(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / f"{name}.csv", keep_default_na=False, na_values={"lo": ""})


def judge(folder: Path) -> dict[int, tuple[str, str]]:
    """Verdict and evidence of each claim by its number. folder: of a report's tables."""
    tables = Tables(folder)
    code, image = np.prod((6, 6, autoencoder.ENCODER[-1][-1])), np.prod((3, 96, 96))
    faces = tables.dataset["images"].sum()
    worse = _rq2(tables.verdicts)
    return {
        1: _effective(tables.verdicts),
        2: (NOT_TESTED, "chapter 8 has other noises, each against the best filter for it"),
        3: (HOLDS if round(faces, -2) in (35_700, 35_800) else FAILS, f"{faces:,} faces"),
        4: _flips(tables.paper_figures),
        5: (FAILS, f"{code:,} numbers for an image of {image:,}"),
        6: _vanishing(tables.first_network),
        7: _figure_5(tables.first_network),
        8: _plateau(tables.as_run_losses),
        9: (NOT_TESTED, "no other number of epochs was trained"),
        10: (NOT_IN_CODE, "the test takes no step of an optimiser"),
        11: worse,
        12: _remark(tables.remarks, 12),
        13: _struggles(tables.ladder),
        14: worse,
        15: _remark(tables.remarks, 15),
        16: _remark(tables.remarks, 16),
        17: _baseline(tables.ladder),
        18: (PARTLY, "so it is, but as computed in mixed value ranges; " + _means(tables, "ssim")),
        19: (FAILS, "SSIM goes from -1 to 1"),
        20: (
            FAILS,
            f"undivided it is {paper.MSE[0.0] * CODE_BATCHES:.2f}, the loss of one batch of 64;"
            f" {_floor(tables.as_run_losses)}",
        ),
        21: _remark(tables.remarks, 21),
        22: _negative(tables.remarks),
        23: (
            PARTLY,
            "each is one batch, divided by the number of batches; " + _means(tables, "mse"),
        ),
        24: worse,
        25: _residuals(tables.ablation_verdict, tables.ablation, tables.first_network),
        26: _effective(tables.verdicts),
        27: _best(tables.verdicts, verify.stored(folder.parent, "autoencoder_images")),
        28: _behind(tables.lead),
    }


def _asked(
    verdicts: pd.DataFrame, question: str, baseline: str = "", metric: str = "ssim"
) -> pd.DataFrame:
    rows = verdicts[(verdicts["question"] == question) & (verdicts["baseline"] == baseline)]
    return rows[(rows["metric"] == metric) & (rows["at"].astype(str) != "0")]


def _effective(verdicts: pd.DataFrame) -> tuple[str, str]:
    """Better than doing nothing, and better than one blur, at every level with noise."""
    nothing, blur = (_asked(verdicts, "RQ1", name) for name in ("noisy", "blur"))
    over = [(rows["verdict"] == "better").all() for rows in (nothing, blur)]
    counts = [(rows["verdict"] == "better").sum() for rows in (nothing, blur)]
    camera = blur[(blur["protocol"] == "camera noise") & (blur["at"] == "0.3")].iloc[0]
    evidence = (
        f"in SSIM better than doing nothing at {counts[0]} of {len(nothing)} levels and protocols;"
        f" better than one Gaussian blur at {counts[1]}, worse at"
        f" {(blur['verdict'] == 'worse').sum()} (*camera noise*, 0.3: {_interval(camera)})"
    )
    return HOLDS if all(over) else PARTLY if over[0] else FAILS, evidence


def _flips(figures: pd.DataFrame) -> tuple[str, str]:
    found = figures[figures["id"] >= 0]
    evidence = (
        f"of the {len(figures)} faces in figures 6 to 9, {len(found)} can be found in FER+, and"
        f" {found['mirrored'].sum()} of these are mirrored; augmented copies are among the code's"
        " data"
    )
    return NOT_IN_CODE, evidence


def _rq2(verdicts: pd.DataFrame) -> tuple[str, str]:
    """Worse at every step, in both metrics."""
    rows, squares = (_asked(verdicts, "RQ2", metric=metric) for metric in ("ssim", "mse"))
    worse, by_mse = ((one["verdict"] == "worse").sum() for one in (rows, squares))
    least = rows.loc[rows["difference"].abs().idxmin()]
    evidence = (
        f"in SSIM worse at {worse} of {len(rows)} steps from a level to the next, in MSE at"
        f" {by_mse}; the smallest change in SSIM is {_interval(least)}"
    )
    return _counted(worse + by_mse, len(rows) + len(squares)), evidence


def _interval(row: pd.Series, digits: int = 3) -> str:
    """A difference with its 95% interval."""
    mean, low, high = (f"{float(row[name]):+.{digits}f}" for name in ("difference", "lo", "hi"))
    return f"{mean} [{low}, {high}]"


def _best(verdicts: pd.DataFrame, scores: pd.DataFrame) -> tuple[str, str]:
    """At which level most is gained over doing nothing, and whether that is clearly more than at
    the levels outside the claim's, face by face. scores: of each face."""
    rows = _asked(verdicts, "RQ1", "noisy")
    best = rows.loc[rows.groupby("protocol", sort=False)["difference"].idxmax()]
    inside = best["at"].astype(float).between(0.15, 0.3)
    stronger = scores["level"][scores["level"] > 0.3].unique()

    def gain(protocol: str, level: float) -> np.ndarray:
        part = scores[(scores["protocol"] == protocol) & (scores["level"] == level)]
        ours, noisy = (stats.matrix(part, "ssim", method=name) for name in ("cae", "noisy"))
        return ours - noisy

    clear = sum(
        all(
            stats.difference(gain(row.protocol, float(row.at)), gain(row.protocol, level)).lo > 0
            for level in stronger
        )
        for row in best.itertuples()
    )
    gains = "; ".join(
        f"{_interval(row)} at {row['at']} (*{row['protocol']}*)" for _, row in best.iterrows()
    )
    verdict = HOLDS if inside.all() else PARTLY if inside.any() else FAILS
    verdict = "undecided" if verdict == HOLDS and clear < len(best) else verdict
    text = f"most SSIM is gained over the noisy input: {gains}; that is clearly more than in"
    return verdict, f"{text} stronger noise in {clear} of {len(best)} ways to add it"


def _without(table: pd.DataFrame) -> pd.DataFrame:
    """The networks of chapter 3 with the authors' output layer and without additions."""
    return table[(table["output"] == "sigmoid") & ~table["additions"]]


def _vanishing(table: pd.DataFrame) -> tuple[str, str]:
    """Gradients vanish in all networks that do not learn, and in none that learns."""
    rows = table[~table["additions"]]
    falls, learns = table["input_share"].iloc[0] / rows["input_share"], rows["verdict"] == "learns"
    evidence = (
        "the gradient at the input over that at the output, as run's divided by theirs: "
    ) + (
        "; ".join(
            f"{fall:.2g} ({row.label}: {row.verdict})"
            for fall, row in zip(falls, rows.itertuples(), strict=True)
        )
    )
    gone = falls >= VANISHED
    return _counted((gone == ~learns).sum() if gone.any() else 0, len(rows)), evidence


def _figure_5(table: pd.DataFrame) -> tuple[str, str]:
    """How many trainings drop and go flat as printed."""
    rows = _without(table)
    evidence = "trainings that drop and go flat so: " + "; ".join(
        f"{row.flat} of {row.trainings} ({row.label})" for row in rows.itertuples()
    )
    return _counted(rows["flat"].sum(), rows["trainings"].sum()), evidence


def _counted(count: int, cases: int) -> str:
    return HOLDS if count == cases else PARTLY if count else FAILS


def _plateau(losses: pd.DataFrame) -> tuple[str, str]:
    return PARTLY, f"it falls, but levels off at the floor of a sigmoid; {_floor(losses)}"


def _floor(losses: pd.DataFrame) -> str:
    last = losses[losses["label"] == losses["label"].iloc[0]].iloc[-1]
    low, ours = f"{last['floor']:.3f}", f"{last['train_loss']:.3f}"
    return f"with a sigmoid the mean over our faces stays above {low}; ours ends at {ours}"


def _remark(remarks: pd.DataFrame, claim: int) -> tuple[str, str]:
    """Verdicts of chapter 5, on our network and, where they allow it, on the paper's figures."""
    words = {"follows": HOLDS, "follows in part": PARTLY, "does not follow": FAILS}
    rows = remarks[remarks["claim"] == claim].iloc[::-1]  # the paper's own figures first
    evidence = "; ".join(f"{row.source}: {row.verdict}" for row in rows.itertuples())
    if len(rows) == 1:
        evidence += "; the paper's own figures were not measured for it"
    return words.get(rows["verdict"].iloc[0], "undecided"), evidence


def _negative(remarks: pd.DataFrame) -> tuple[str, str]:
    """There are negative values; whether high luminance makes them."""
    ours = remarks[remarks["source"] == OURS].set_index("claim")
    negative, looks = ours.loc[22], ours.loc[21]
    if negative["verdict"] != "follows":
        return FAILS, negative["evidence"]
    bright = "darker" not in looks["evidence"]
    evidence = f"{negative['evidence']}; our outputs as shown: {looks['evidence']}"
    return HOLDS if bright else PARTLY, evidence


def _honest(ladder: pd.DataFrame) -> pd.DataFrame:
    """The last rung, with every slip undone, by level."""
    chain = ladder[ladder["way"] == "cumulative"]
    return chain[chain["rung"] == chain["rung"].iloc[-1]].set_index("level")


def _struggles(ladder: pd.DataFrame) -> tuple[str, str]:
    ssim = _honest(ladder)["ssim"]
    evidence = f"with every slip undone, SSIM falls from {ssim[0.0]:.2f} at 0 to {ssim[0.5]:.2f}"
    evidence += " (one training)"
    return HOLDS if ssim[0.5] < ssim[0.0] / 2 else PARTLY, evidence


def _baseline(ladder: pd.DataFrame) -> tuple[str, str]:
    first, last = ladder.iloc[0], _honest(ladder).loc[0.0]
    evidence = (
        f"SSIM {first['ssim']:.2f} as the code computes it; with every slip undone"
        f" {last['ssim']:.3f} [{last['ssim_lo']:.3f}, {last['ssim_hi']:.3f}] (one training; over"
        " faces alone)"
    )
    return PARTLY, evidence


def _means(tables: Tables, metric: str) -> str:
    runs = tables.as_run
    first = runs[runs["label"] == runs["label"].iloc[0]]
    digits = {"ssim": 2, "mse": 4}[metric]
    return "ours: " + ", ".join(f"{value:.{digits}f}" for value in first[metric])


def _residuals(
    ablation: pd.DataFrame, trainings: pd.DataFrame, networks: pd.DataFrame
) -> tuple[str, str]:
    later, first = (networks[networks["network"] == name].iloc[0] for name in ("as-run", "early"))
    row = ablation.iloc[0]
    epochs = trainings.groupby("model", sort=False)["epochs_to_tenth"]
    reached = epochs.apply(lambda values: pd.to_numeric(values).mean())
    evidence = (
        f"without the additions the test MSE is larger by {float(row['value']):.5f}"
        f" [{float(row['lo']):.5f}, {float(row['hi']):.5f}]; a tenth of a constant image's loss is"
        f" reached after {reached.iloc[0]:.1f} epochs with, {reached.iloc[1]:.1f} without; the"
        f" authors' code with blocks ends at a loss of {_loss(later)}, their first one, without, at"
        f" {_loss(first)}"
    )
    words = {"residuals improve the result": PARTLY, "residuals harm the result": FAILS}
    return words.get(row["verdict"], "undecided"), evidence


def _loss(row: pd.Series) -> str:
    loss, low, high = (f"{float(row[name]):.3f}" for name in ("loss", "lo", "hi"))
    return f"{loss} [{low}, {high}]"


def _behind(lead: pd.DataFrame) -> tuple[str, str]:
    """Behind what also learns from clean faces alone at each level, after Holm's correction."""
    parts, holds = [], True
    for metric, unit in (("ssim", "in SSIM"), ("psnr", "in dB of PSNR")):
        rows = lead[(lead["leader"] == "mixture") & (lead["method"] == "cae")]
        rows = rows[rows["metric"] == metric]
        each = (f"{_interval(row)} at {row['level']:g}" for _, row in rows.iterrows())
        parts.append(f"{unit} by {', '.join(each)}")
        holds = holds and ranking.clear(rows).all()
    evidence = "at the report's width; the patch mixture, which also learns from clean faces alone"
    return HOLDS if holds else FAILS, f"{evidence}, is ahead {'; '.join(parts)}"


def fill(text: str, verdicts: dict[int, tuple[str, str]]) -> str:
    """The page with its last column made anew."""
    lines = []
    for line in text.splitlines():
        number = line.strip("| ").split(" |")[0]
        if number.isdigit():
            verdict, evidence = verdicts[int(number)]
            cells = line.split(" | ")[:4]  # number, section, words, where
            line = " | ".join([*cells, f"**{verdict}**: {evidence} |"])
        lines.append(line)
    return "\n".join(lines) + "\n"


def main() -> None:
    verdicts = judge(REPORTS / "ferplus-cpu" / "tables")
    files.write_text(PAGE, fill(PAGE.read_text(encoding="utf-8"), verdicts))


if __name__ == "__main__":
    main()

"""What recognisers make of noisy and of restored faces, and what the study says of it (chapter 9).

`recognise` gives one long table of answers: one row for each recogniser (columns `classifier`,
`seed`), `method`, `level` and image (`id`), with its `truth` and the `guess` (positions in
EMOTIONS), `correct` (1 or 0), `confidence`, the probability of the guess, and `votes`, the share
of the ten votes that the guess has."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest, kendalltau
from torch import nn

from fer_lib import evaluation, pipeline, stats
from fer_lib.audit import plan as audit
from fer_lib.evaluation import MEASURES
from fer_lib.methods import filters, lessons, table
from fer_lib.methods.table import Reference
from fer_lib.noise import PROTOCOLS
from fer_lib.readers.ferplus import EMOTIONS, VOTES
from fer_lib.recognition import plan
from fer_lib.recognition.recogniser import probabilities
from fer_lib.study import Study
from fer_lib.tools.progress import Progress

CAMERA = PROTOCOLS["camera noise"]
NOTHING = Reference(label="noisy input", learns="nothing", methods=(evaluation.nothing,))
BINS = 15  # of the calibration error
RESAMPLES = 1000  # of the images, for the interval of a rank correlation
#: Of chapter 6: a filter, a matrix, and what leads without pairs, told the level and not.
LEARNT = ("clamped-wiener", "mixture", "mixture-blind")
PAPERS = {"as-run": "the paper's network, as run", "range-matched": "the same, range matched"}


def ends(metric: str) -> list[str]:
    """The columns of a number and its interval."""
    return [metric, f"{metric}_lo", f"{metric}_hi"]


def labelled(study: Study, part: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Images and rows of the faces of a part with a majority, at most as many as the plan says."""
    count = plan.PLANS[study.settings.profile].test
    return study.examples(study.part(f"labelled {part}", count=count))


def denoisers(study: Study) -> dict[str, Reference]:
    """What may stand before a recogniser. None has seen a test face: filters get their strength on
    validation faces, the rest learns from learning faces."""
    settings, checksum = study.settings, study.faces.checksum
    chosen = plan.PLANS[settings.profile].filters
    faces, ids = study.validation()
    options = {"ids": ids, "seed": settings.seed + 1, "names": chosen}
    curves = filters.curves(pipeline.to_unit(torch.tensor(faces)), settings.levels, **options)
    references = {"noisy": NOTHING} | table.filtered(curves)
    learnt = table.from_clean(study, study.part("learning"))
    references |= {name: learnt[name] for name in LEARNT}
    for arm in audit.PLANS[settings.profile].tables[:2]:
        model = study.reconstruct(audit.trainings(settings, checksum, arm)[0]).model
        facts = {"label": PAPERS[arm.network], "learns": "clean"}
        references[arm.network] = Reference(**facts, methods=(evaluation.network(model),))
    for name, recipe in plan.denoisers(settings, checksum).items():
        references[name] = table.network(name, lessons.train(study, recipe).model)
    return references


def recognise(
    faces: np.ndarray,
    rows: pd.DataFrame,
    recognisers: dict[tuple[str, int], nn.Module],
    references: dict[str, Reference],
    *,
    levels: Sequence[float],
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The answers, and the scores of the images: method, level, id and MEASURES. faces: uint8
    (N, 48, 48); rows: theirs in the data set; recognisers: by classifier and seed; seed: of the
    noise."""
    clean, ids = pipeline.to_unit(torch.tensor(faces)), rows["id"].to_numpy()
    truth, votes = pd.Index(EMOTIONS).get_indexer(rows["emotion"]), rows[[*VOTES]].to_numpy()
    votes = votes / votes.sum(axis=1, keepdims=True)
    answers, scores = [], []
    with Progress("recognising", len(levels) * len(references)) as bar:
        for level in levels:
            noisy = CAMERA.corrupt(clean, level, ids, seed)
            for method, reference in references.items():
                images = reference.method(noisy, CAMERA, level)
                where = {"method": method, "level": level, "id": ids}
                scores.append(pd.DataFrame(where | evaluation.measure(images, clean, CAMERA)))
                for (classifier, training), model in recognisers.items():
                    found = probabilities(model, images).double().max(dim=1)
                    confidence, guess = found.values.numpy(), found.indices.numpy()
                    row = {"classifier": classifier, "seed": training, **where, "truth": truth}
                    row |= {"guess": guess, "correct": (guess == truth).astype(float)}
                    row |= {"confidence": confidence, "votes": votes[np.arange(len(guess)), guess]}
                    answers.append(pd.DataFrame(row))
                bar.advance(f"factor {level:g}, {method}")
    return pd.concat(answers, ignore_index=True), pd.concat(scores, ignore_index=True)


def summarise(answers: pd.DataFrame) -> pd.DataFrame:
    """recognition.csv, one row for each recogniser, method and level: n, accuracy with its interval
    over images, macro_f1, ece, and the share of images with the guess of the clean face."""
    rows, names = [], ["classifier", "method", "level", "seed"]
    clean = answers[(answers["method"] == "noisy") & (answers["level"] == 0)]
    clean = clean.set_index(["classifier", "seed", "id"])["guess"]
    for (classifier, method, level, seed), group in answers.groupby(names, sort=False):
        accuracy = stats.mean(group["correct"].to_numpy())
        same = group["guess"].to_numpy() == clean[classifier, seed].loc[group["id"]].to_numpy()
        kind = "none" if level == 0 else "gaussian"
        row = (classifier, method, kind, level, seed, len(group), *accuracy.values)
        rows.append((*row, macro_f1(group), calibration_error(group), same.mean()))
    columns = ["classifier", "method", "noise", "level", "seed", "n", "accuracy", "acc_lo"]
    columns += ["acc_hi", "macro_f1", "ece", "agreement_with_clean"]
    return pd.DataFrame(rows, columns=columns)


def macro_f1(answers: pd.DataFrame) -> float:
    """The mean F1 over the emotions that occur as a truth."""
    truth, guess = answers["truth"].to_numpy(), answers["guess"].to_numpy()
    scores = []
    for emotion in np.unique(truth):
        hits = ((truth == emotion) & (guess == emotion)).sum()
        scores.append(2 * hits / ((truth == emotion).sum() + (guess == emotion).sum()))
    return float(np.mean(scores))


def calibration_error(answers: pd.DataFrame) -> float:
    """The expected calibration error: the mean gap of confidence and accuracy in BINS equal bins of
    confidence, weighted by their images (Guo et al., ICML 2017, equation 5)."""
    confidence, correct = answers["confidence"].to_numpy(), answers["correct"].to_numpy()
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return float(np.abs(np.bincount(bins, confidence - correct)).sum() / len(answers))


def pool(answers: pd.DataFrame, by: Sequence[str], metric: str = "correct") -> pd.DataFrame:
    """The mean of a column over all trainings and images of each group: the columns `by`, n (the
    images), `mean`, and the ends of its interval, mean_lo and mean_hi."""
    rows = []
    for where, group in answers.groupby([*by], sort=False):
        values = stats.matrix(group, metric)
        rows.append((*where, values.shape[1], *stats.mean(values).values))
    return pd.DataFrame(rows, columns=[*by, "n", *ends("mean")])


def compare(answers: pd.DataFrame, ours: tuple, theirs: tuple) -> tuple:
    """The paired difference in accuracy of `ours` and `theirs`, (classifier, method, level) each:
    its mean and interval, its p, and McNemar's exact p (1947) of the first trainings."""
    names = ("classifier", "method", "level")
    mine, other = (
        stats.matrix(answers, "correct", **dict(zip(names, side, strict=True)))
        for side in (ours, theirs)
    )
    gap, only = stats.difference(mine, other), mine[0] - other[0]
    won, lost = int((only > 0).sum()), int((only < 0).sum())
    return *gap.values, gap.p, binomtest(won, won + lost).pvalue if won + lost else 1.0


def gains(answers: pd.DataFrame, against: Sequence[tuple[str, str, str]]) -> pd.DataFrame:
    """`compare` at each level above 0: question, classifier, method, level, the difference, lo, hi,
    p_mcnemar, and p after Holm's correction over the rows of a question. against: of each question
    its name, the classifier that gets restored images, and the one that gets the noisy ones."""
    methods = answers["method"].unique()
    columns = ["question", "classifier", "method", "level", *ends("difference")]
    tables = []
    for question, restored, noisy in against:
        rows = [
            (question, restored, method, level)
            + compare(answers, (restored, method, level), (noisy, "noisy", level))
            for level in _noisy(answers)
            for method in methods[methods != "noisy"]
        ]
        made = pd.DataFrame(rows, columns=[*columns, "p_holm", "p_mcnemar"])
        tables.append(made.assign(p_holm=stats.holm(made["p_holm"].to_numpy())))
    return pd.concat(tables, ignore_index=True)


def disagreement(answers: pd.DataFrame, scores: pd.DataFrame, classifier: str) -> dict:
    """The two methods that SSIM and accuracy order most against each other, beyond doubt where any
    are: level, whom each prefers (`ssim`, `accuracy`), and by how much (`ssim_gap`,
    `accuracy_gap`)."""
    mine, found = answers[answers["classifier"] == classifier], []
    for level in _noisy(scores):
        alike, right = (
            {name: stats.matrix(rows, metric, method=name, level=level) for name in names}
            for rows, metric in ((scores.assign(seed=0), "ssim"), (mine, "correct"))
            for names in [scores["method"].unique()]
        )
        for one, other in itertools.permutations(alike, 2):
            ssim = stats.difference(alike[one], alike[other])
            named = stats.difference(right[other], right[one])
            if ssim.lo > 0:
                pair = {"level": level, "ssim": one, "accuracy": other}
                gaps = {"ssim_gap": ssim.mean, "accuracy_gap": named.mean}
                found.append((named.lo, pair | gaps))
    return max(found, key=lambda one: one[0])[1]


def _noisy(table: pd.DataFrame) -> list[float]:
    return [level for level in table["level"].unique().tolist() if level > 0]


def wide(
    table: pd.DataFrame, metric: str, rows: list[str], *, scale: int = 100, signed: bool = False
) -> pd.DataFrame:
    """`metric` with its interval as text, for people: one row for each value of the columns `rows`,
    one column a level; in percent at a `scale` of 100."""
    form = f"{'+' if signed else ''}.{1 if scale == 100 else 2}f"
    numbers = scale * table[ends(metric)].to_numpy()
    texts = [f"{mean:{form}} [{lo:{form}}, {hi:{form}}]" for mean, lo, hi in numbers]
    return table.assign(text=texts).set_index([*rows, "level"])["text"].unstack(sort=False)


def ranks(answers: pd.DataFrame, scores: pd.DataFrame, classifier: str, seed: int) -> pd.DataFrame:
    """Whether a measure of images orders the methods as accuracy does: level, measure, Kendall's
    tau over the methods, and its 95% interval over images, drawn again RESAMPLES times."""
    rows, random = [], np.random.default_rng(seed)
    mine = answers[answers["classifier"] == classifier]
    for level in _noisy(scores):
        kept = scores[scores["level"] == level]
        names, count = kept["method"].unique(), kept["id"].nunique()
        where = [{"method": name, "level": level} for name in names]
        right = np.array([stats.matrix(mine, "correct", **one).mean(axis=0) for one in where])
        draws = random.multinomial(count, np.full(count, 1 / count), RESAMPLES).T
        weights = np.column_stack([np.ones(count), draws]) / count
        for measure, sign in MEASURES.items():
            each = kept.sort_values("id").groupby("method")[measure].agg(list)
            values = np.array([each[name] for name in names]) * sign
            taus = kendalltau(values @ weights, right @ weights, axis=0).statistic
            tau, *drawn = np.nan_to_num(taus)  # 0 where all methods are equal
            rows.append((level, measure, tau, *np.quantile(drawn, [0.025, 0.975])))
    return pd.DataFrame(rows, columns=["level", "measure", *ends("tau")])

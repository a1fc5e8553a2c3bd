"""What the audit says in plain language, every number and verdict taken from its tables."""

import pandas as pd

from fer_lib import audit, paper
from fer_lib.audit import ALPHA
from fer_lib.procedures import AXES

REPRODUCED, NOT_REPRODUCED, EXPLAINED = "reproduced", "not reproduced", "explained by"


def finding(table, ranking, predictions, named: dict[str, int]) -> list[str]:
    """The audit's result in five sentences.

    table, ranking, predictions: of `likelihood`. named: label -> procedure, of `audit.named`.
    """
    wide = table[table["width"] == table["width"].max()]
    by_number = ranking.set_index("procedure")
    rows = {label: by_number.loc[number] for label, number in named.items()}
    ssim = {label: numbers(wide, number, "ssim_mean", 2) for label, number in named.items()}
    mse = {label: numbers(wide, number, "mse", 4) for label, number in named.items()}
    return [
        _table1(rows["best for Table I"], ssim["best for Table I"], ranking),
        _table2(rows["best for Table II"], mse["best for Table II"], ranking),
        _both(rows["best for both"], ssim["best for both"], mse["best for both"], ranking),
        _intended(rows["as intended"], ssim["as intended"], mse["as intended"], ranking),
        _prediction(predictions, named["best for both"], table["width"].nunique()),
    ]


def numbers(wide: pd.DataFrame, procedure: int, column: str, digits: int) -> str:
    """A procedure's numbers at all levels: "0.48, 0.30, 0.16, 0.07"."""
    values = wide[wide["procedure"] == procedure].sort_values("level")[column]
    return ", ".join(f"{value:.{digits}f}" for value in values)


def p_text(p: float) -> str:
    """A p-value in words: far tails are not known to their digits."""
    return "p < 1e-6" if p < 1e-6 else f"p = {p:.2g}"


def signs(found: pd.DataFrame) -> pd.DataFrame:
    """`audit.signs` as text, a column a level: the paper's counts, then those expected with p."""
    cells = [f"{row.expected:.1f} ({p_text(row.p)})" for row in found.itertuples()]
    wide = pd.Series(cells, index=found.index).unstack("level", sort=False)
    counts = found["the paper"].groupby(level="level").first().map("{:.0f}".format)
    return pd.concat([counts.to_frame("the paper").T, wide])


def predicted(predictions: pd.DataFrame, named: dict[str, int]) -> pd.DataFrame:
    """Predictions for width 1 as text: a row a named procedure and measure, a column a level."""
    rows = {}
    for label, number in named.items():
        one = predictions[predictions["procedure"] == number].sort_values("level")
        for name in ("ssim", "mse"):
            rows[label, name.upper()] = dict(zip(one["level"], _intervals(one, name), strict=True))
    return pd.DataFrame.from_dict(rows, orient="index")


def _printed(values: dict, digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values.values())


def _surviving(ranking: pd.DataFrame, column: str) -> str:
    return f"{(ranking[column] >= ALPHA).sum()} of {len(ranking)} procedures"


def _table1(row: pd.Series, ssim: str, ranking: pd.DataFrame) -> str:
    first, second = (audit.IMAGES[name] for name in row["ssim_of"].split("-"))
    network = ", which involves no network at all" if row["ssim_of"] == "noisy-clean" else ""
    left = (ranking["p_table1"] >= ALPHA).any()
    return (
        f"**Table I** is matched best by the SSIM of {first} with {second}, noise added in"
        f" {audit.SPACES[row['space']]} and clamped to 0..1{network}: {ssim} where the paper prints"
        f" {_printed(paper.SSIM, 2)}; {_surviving(ranking, 'p_table1')} survive it"
        f"{', since ten images say little, but' if left else ';'}"
        f" with any other pair of images the best score falls by"
        f" {_cost(ranking, 'score_table1', 'ssim_of'):.1f} log-likelihood units or more."
    )


def _table2(row: pd.Series, mse: str, ranking: pd.DataFrame) -> str:
    mode = f"batch norms in {row['mode']} mode{audit.steps(row)}"
    return (
        f"**Table II** is matched best by the MSE of the output with"
        f" {audit.IMAGES[row['mse_of'].split('-')[1]]}, noise added in"
        f" {audit.SPACES[row['space']]}, {mode}: {mse} where the paper prints"
        f" {_printed(paper.MSE, 4)}; {_surviving(ranking, 'p_table2')} survive it."
    )


def _both(row: pd.Series, ssim: str, mse: str, ranking: pd.DataFrame) -> str:
    left = (ranking["p"] >= ALPHA).sum()
    words = "no procedure survives"
    if left:  # the scatter about the trend is the audit's tolerance
        words = f"with the scatter between widths as tolerance, {left} of {len(ranking)} survive"
    return (
        f"**Together**, {words} both tables (Holm, 5%); the best of them"
        f" ({p_text(row['p'])}) is: {audit.describe(row[list(AXES)])}; it gives SSIM {ssim} and"
        f" MSE {mse}."
    )


def _cost(ranking: pd.DataFrame, score: str, axis: str) -> float:
    """How far the second-best value of an axis stays behind the best, all else at its best."""
    best = ranking.groupby(axis)[score].max().sort_values()
    return best.iloc[-1] - best.iloc[-2]


def _intended(row: pd.Series, ssim: str, mse: str, ranking: pd.DataFrame) -> str:
    verdict = "cannot be excluded" if row["p"] >= ALPHA else f"is excluded ({p_text(row['p'])})"
    return (
        "**As the words seem meant**, with noise and clamp in [0, 1] and outputs compared with"
        f" clean images, the network gives SSIM {ssim} and MSE {mse}; this procedure {verdict};"
        " of the value ranges for the noise, the worse stays"
        f" {_cost(ranking, 'score', 'space'):.0f} log-likelihood units behind at its best."
    )


def _prediction(predictions: pd.DataFrame, number: int, widths: int) -> str:
    rows = predictions[predictions["procedure"] == number].sort_values("level")
    ssim, mse = (", ".join(_intervals(rows, name)) for name in ("ssim", "mse"))
    note = f"95% prediction intervals from {widths} widths"
    note = "too few widths for intervals" if widths < 3 else note
    return (
        f"**At the paper's width** the best procedure is predicted to give SSIM {ssim} and MSE"
        f" {mse} ({note}); one run of `--profile paper` on a GPU will confirm or refute it."
    )


def _intervals(rows: pd.DataFrame, name: str) -> list[str]:
    columns = rows[[name, f"{name}_lo", f"{name}_hi"]].to_numpy()
    # What involves no network does not depend on its width, and two widths allow none: no interval.
    return [
        f"{m:.2g} [{lo:.2g}, {hi:.2g}]" if hi - lo > 1e-6 else f"{m:.2g}" for m, lo, hi in columns
    ]


def claims(wide, ranking, named, light, sizes, answers) -> pd.DataFrame:
    """One row a claim of the paper: the claim, what became of it, and the evidence.

    wide: the audit's rows at the widest network. light: `remarks.brightness` as written.
    sizes: pixels from spot to spot by label, the noise's last. answers: the tables verdicts and
    ablation_verdict.
    """
    verdicts, ablation = answers
    rows = [*_tables(wide, ranking, named), _rise(wide, named), *_questions(verdicts)]
    rows += [*_pictures(light, sizes), _negative(wide, named), *_residuals(ablation)]
    return pd.DataFrame(rows, columns=["claim", "verdict", "evidence"])


def _tables(wide: pd.DataFrame, ranking: pd.DataFrame, named: dict[str, int]):
    by_number = ranking.set_index("procedure")
    for roman, column, pair, digits in (
        ("I", "ssim_mean", "ssim_of", 2),
        ("II", "mse", "mse_of", 4),
    ):
        best, intended = named[f"best for Table {roman}"], named["as intended"]
        p, p_best = (by_number.loc[x, f"p_table{len(roman)}"] for x in (intended, best))
        evidence = f"as intended: {numbers(wide, intended, column, digits)} ({p_text(p)})"
        evidence += f"; best: {numbers(wide, best, column, digits)} ({p_text(p_best)})"
        verdict = "cannot be excluded"
        if p < ALPHA:
            images = " with ".join(audit.IMAGES[x] for x in by_number.loc[best, pair].split("-"))
            verdict = f"{EXPLAINED} comparing {images}" if p_best >= ALPHA else NOT_REPRODUCED
        yield f"Table {roman}: outputs against clean images", verdict, evidence


def _rise(wide: pd.DataFrame, named: dict[str, int]) -> tuple:
    mse = wide[wide["procedure"] == named["as intended"]].set_index("level")["mse"]
    ratio = mse.iloc[-1] / mse.iloc[1]
    verdict = REPRODUCED if ratio < 1.2 else NOT_REPRODUCED
    evidence = (
        f"as intended, MSE at {mse.index[-1]:g} is {ratio:.1f} times that at {mse.index[1]:g}"
    )
    return "The testing loss does not rise from 0.15 to 0.5", verdict, evidence


def _questions(verdicts: pd.DataFrame):
    first = verdicts[(verdicts["question"] == "RQ1") & (verdicts["at"].astype(str) != "0")]
    yes = (first["verdict"] == "effective").groupby(first["protocol"], sort=False).all()
    evidence = "; ".join(
        f"{name}: {'yes' if found else 'not at all'}" for name, found in yes.items()
    )
    yield "Effective from 0.15 to 0.5", REPRODUCED if yes.all() else "partly", evidence
    gains = first.pivot(index="protocol", columns="at", values="difference")
    best = gains.idxmax(axis=1)
    evidence = "; ".join(f"{name}: gains most at {at}" for name, at in best.items())
    yield "Best at 0.15 to 0.3", REPRODUCED if (best != "0.5").all() else NOT_REPRODUCED, evidence
    second = verdicts[verdicts["question"] == "RQ2"]
    falls = (second["verdict"] == "worse").all()
    evidence = f"{(second['verdict'] == 'worse').sum()} of {len(second)} steps are worse"
    yield "Quality falls as the factor rises", REPRODUCED if falls else "partly", evidence


def _pictures(light: pd.DataFrame, sizes: dict[str, float]):
    shown = light.pivot(index="level", columns="images", values="brightness")
    black = light.pivot(index="level", columns="images", values="black")
    brighter = (shown["output"] > shown["raw"]).all()
    evidence = f"mean as shown: raw {shown['raw'].iloc[0]:.2f}, outputs " + ", ".join(
        f"{value:.2f}" for value in shown["output"]
    )
    yield "Outputs are brighter", REPRODUCED if brighter else NOT_REPRODUCED, evidence
    evidence = f"black pixels as shown: raw {black['raw'].iloc[0]:.0%}, outputs " + ", ".join(
        f"{value:.0%}" for value in black["output"]
    )
    fewer = (black["output"] < black["raw"]).all()
    verdict = f"{EXPLAINED} showing [-1, 1] cut at 0" if fewer else NOT_REPRODUCED
    yield "Features hidden by low illumination appear", verdict, evidence
    first, *_, last, noise = sizes
    # Where noise gets through, the error has another spacing than without noise.
    through = abs(sizes[last] / sizes[first] - 1) > 0.1
    verdict = f"{EXPLAINED} noise that the strides let through" if through else NOT_REPRODUCED
    evidence = ", ".join(f"{name} {sizes[name]:.0f}" for name in (first, last, noise))
    yield "Polka dots at 0.5", verdict, f"pixels from spot to spot: {evidence}"


def _negative(wide: pd.DataFrame, named: dict[str, int]) -> tuple:
    """SSIM's luminance can be negative on [-1, 1] only: are its values, in the two readings?"""
    shares = {x: wide.loc[wide["procedure"] == named[x], "negative"].max() for x in audit.READINGS}
    written, intended = shares.values()
    verdict = f"{EXPLAINED} SSIM's luminance below 0 on [-1, 1]"
    verdict = verdict if written > intended else NOT_REPRODUCED
    evidence = "; ".join(f"{label}: up to {share:.0%} of images" for label, share in shares.items())
    return "Negative SSIM comes from brightness", verdict, evidence


def _residuals(ablation: pd.DataFrame):
    found = ablation.set_index("quantity")["verdict"]
    better, learns, gradients = found
    yield "Residuals improve accuracy", better, str(found.index[0])
    learned = NOT_REPRODUCED if learns == "learns" else REPRODUCED
    yield "Without residuals it does not learn", learned, f"{learns}; {gradients}"

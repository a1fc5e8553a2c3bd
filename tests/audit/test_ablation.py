"""What the additions do: every criterion at scores made for it."""

import numpy as np
import pandas as pd
import pytest

from fer_lib.audit import ablation

IMAGES = 40
BASE = np.random.default_rng(0).uniform(0.2, 0.8, IMAGES)  # images differ much more than methods


def rows(method: str, gain, *, seed: int) -> pd.DataFrame:
    """Scores of a network whose error is smaller than that of BASE by `gain`."""
    return pd.DataFrame(
        {"method": method, "seed": seed, "id": range(IMAGES), "mse": 1 - BASE - gain}
    )


def decide(*, gains=(0.1, 0.101, 0.099), losses=(0.01, 0.02, 0.03), fall=1.0) -> pd.DataFrame:
    """Three trainings of both networks: "cae" with an MSE smaller by `gains`; `losses` of the plain
    ones in the last epoch, and their gradients at the input smaller `fall` times."""
    little = 0.01 * np.random.default_rng(1).standard_normal(IMAGES)
    scores = [rows("cae", gain + little, seed=seed) for seed, gain in enumerate(gains)]
    scores += [rows("cae-plain", 0, seed=seed) for seed in range(3)]
    history = [
        ("cae-plain", s, epoch, x / epoch) for s, x in enumerate(losses) for epoch in (0.1, 1)
    ]
    history += [("cae", seed, epoch, 9.0) for seed in range(3) for epoch in (0.1, 1)]
    norms = [
        (name, seed, epoch, depth, (depth > 2) * 99.0 * (name == "cae-plain") * (epoch > 1)
         or 0.5 / (fall if name == "cae-plain" and depth <= 2 and epoch == 1 else 1))
        for name in ("cae", "cae-plain") for seed in range(3) for epoch in (1, 2)
        for depth in range(1, 9)
    ]  # fmt: skip
    return ablation.decide(
        pd.concat(scores),
        pd.DataFrame(history, columns=["model", "seed", "epoch", "train_loss"]),
        pd.DataFrame(norms, columns=["model", "seed", "epoch", "depth", "norm"]),
        constant=0.05,
    )


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((0.1, 0.101, 0.099), "residuals improve the result"),
        ((-0.1, -0.101, -0.099), "residuals harm the result"),
        ((0.1, 0.01, -0.03), "undecided"),
        ((0.1, 0.02, 0.03), "undecided"),  # three trainings: t = 4.30, not 1.96
    ],
)
def test_residuals_improve_the_result_if_all_trainings_together_say_so(gains, verdict):
    table = decide(gains=gains)
    assert list(table.columns) == ["quantity", "value", "lo", "hi", "verdict"]
    assert table["verdict"][0] == verdict
    assert table["value"][0] == pytest.approx(np.mean(gains), abs=0.01)


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [((0.01, 0.02, 0.049), "learns"), ((0.01, 0.02, 0.05), "does not learn")],
)
def test_a_network_learns_if_its_worst_training_beats_a_constant_image(losses, verdict):
    table = decide(losses=losses)
    assert table["verdict"][1] == verdict
    assert table["value"][1] == pytest.approx(losses[-1] / 0.05)


@pytest.mark.parametrize(
    ("fall", "verdict"),
    [
        (9.9, "gradients do not vanish"),
        (10.1, "gradients vanish without residuals"),
        (0.05, "gradients do not vanish"),
    ],
)
def test_gradients_vanish_if_they_fall_tenfold_in_the_first_epoch(fall, verdict):
    table = decide(fall=fall)
    assert table["verdict"][2] == verdict
    assert table["value"][2] == pytest.approx(fall)


def test_networks_may_have_different_numbers_of_layers():
    ends = {"deep": (1.0, 1.0, 9.0, 9.0, 2.0, 2.0), "flat": (3.0, 3.0, 1.0, 1.0)}
    rows = [
        {"model": model, "seed": 0, "epoch": 1, "depth": depth, "norm": norm}
        for model, norms in ends.items()
        for depth, norm in enumerate(norms, 1)
    ]
    share = ablation.input_share(pd.DataFrame(rows))
    assert share.to_dict() == pytest.approx({"deep": 0.5, "flat": 3.0})

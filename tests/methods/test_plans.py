"""Which networks a profile trains, for how long and from which seeds; that one leaves others be."""

import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from fer_lib import config
from fer_lib.config import UserError
from fer_lib.methods import networks, plans, ranking
from fer_lib.methods.plans import NETWORKS, PLANS, Network, RestorerConfig, Schedule

every_profile = pytest.mark.parametrize("profile", config.PROFILES)


def trained(profile: str, seed: int = 0) -> list[tuple]:
    """(network, epochs, seed, faces, seed of its start) of every training of a profile."""
    return [
        (r.network, r.training.epochs, r.seed, r.part.count, r.start and r.start.seed)
        for r in plans.recipes(config.load(profile, seed), "data")
    ]


def keys(profile: str = "cpu") -> set[str]:
    return {recipe.key for recipe in plans.recipes(config.load(profile), "data")}


def test_cpu_trains_what_is_published():
    """Written out: these trainings lie in reports/ferplus-cpu/networks."""
    eight = (
        "gondara",
        "xie",
        "dncnn",
        "compact-mse",
        "noise2noise",
        "neighbor2neighbor",
        "compact",
    )
    wanted = {("cae-denoising", 30, seed, None, None) for seed in (0, 1)}
    wanted |= {(name, 8, seed, None, None) for name in eight for seed in (0, 1)}
    for seed in (0, 1):  # a stage starts the next one with a seed of its own
        wanted |= {("compact", 30, seed, None, None), ("compact", 24, 30 + seed, None, seed)}
        wanted |= {("compact", 36, 54 + seed, None, 30 + seed)}
    wanted |= {("compact", 2, 0, None, None), ("compact", 20, 0, 3200, None)}
    wanted |= {("compact-small", 8, 0, None, None)}
    networks = {network for network, *_ in wanted}  # a new one may be planned and not yet published
    planned = [row for row in trained("cpu") if row[0] in networks]
    assert set(planned) == wanted
    assert len(planned) == len(wanted)


def test_a_restorer_learns_as_the_published_ones_did():
    recipes = plans.recipes(config.load("cpu"), "data")
    (recipe,) = [r for r in recipes if (r.network, r.seed) == ("xie", 1)]
    ours = {"batch_size": 16, "learning_rate": 1e-3, "schedule": "cosine", "epoch_images": 8000}
    assert ours.items() <= asdict(recipe.training).items()
    assert (recipe.part.name, recipe.part.version) == ("untested", 0)
    assert recipe.model == RestorerConfig("xie", "clean", "ssim")


def test_the_papers_network_keeps_to_its_own_training_and_sample():
    settings = config.load("cpu")
    recipe = plans.recipes(settings, "data")[0]
    assert recipe.network == "cae-denoising"
    assert recipe.training == settings.training
    assert recipe.model == settings.model("cae")
    assert recipe.part == settings.part("data", "sample", version=0)


@every_profile
def test_a_training_comes_once_and_after_the_one_that_it_starts_from(profile):
    recipes = plans.recipes(config.load(profile), "data")
    order = [recipe.key for recipe in recipes]
    assert len(set(order)) == len(order)
    for place, recipe in enumerate(recipes):
        assert recipe.start is None or recipe.start.key in order[:place]


def test_with_a_gpu_every_network_is_trained_three_times():
    counts = {name: len([t for t in trained("paper") if t[0] == name]) for name in ("xie", "dncnn")}
    assert counts == {"xie": 3, "dncnn": 3}
    assert PLANS["paper"] == PLANS["full"] == replace(PLANS["cpu"], trainings=3)


def test_seeds_count_up_from_the_runs_seed():
    shifted = [(n, e, s + 5, f, None if b is None else b + 5) for n, e, s, f, b in trained("smoke")]
    assert trained("smoke", seed=5) == shifted


def test_a_network_more_leaves_the_keys_of_others_alone(monkeypatch):
    before = keys()
    new = Network(label="new", model=RestorerConfig("compact-small", loss="mse"))
    monkeypatch.setitem(NETWORKS, "new", new)
    plan = PLANS["cpu"]
    more = replace(plan, networks=(*plan.networks, Schedule("new", (8,))))
    monkeypatch.setitem(PLANS, "cpu", more)
    assert before < keys()
    assert {key.rpartition("-")[0] for key in keys() - before} == {"new"}


def test_words_for_people_are_in_no_key_and_versions_are(monkeypatch):
    before = keys()
    renamed = replace(NETWORKS["xie"], label="Xie", learns="noisy", mirrored="both")
    monkeypatch.setitem(NETWORKS, "xie", renamed)
    assert keys() == before
    monkeypatch.setitem(NETWORKS, "xie", replace(renamed, version=2))
    assert {key.rpartition("-")[0] for key in keys() ^ before} == {"xie"}


def test_every_network_is_there_and_learns_from_what_its_record_says():
    for name, network in NETWORKS.items():
        assert network.label, name
        if network.model is None:
            assert name.startswith("cae")
            assert network.learns == ("clean" if name == "cae" else "pairs")
        else:
            assert network.model.architecture in networks.ARCHITECTURES
            clean = network.model.supervision == "clean"
            assert network.learns == ("pairs" if clean else "noisy"), name


@pytest.mark.parametrize("name", ["compact-mse", "noise2noise", "neighbor2neighbor"])
def test_rivals_in_supervision_differ_in_nothing_else(name):
    """Noisy targets need the squared error, so their twin with clean ones has it too."""
    model = NETWORKS[name].model
    assert replace(model, supervision="clean") == RestorerConfig("compact", "clean", "mse")


def test_the_longest_schedule_bears_the_name_of_its_network():
    short, long, other = (
        Schedule("compact", (30,)),
        Schedule("compact", (8, 24)),
        Schedule("xie", (8,)),
    )
    plan = replace(PLANS["smoke"], networks=(short, long, other))
    assert plan.named == {"compact, 30 epochs": short, "compact": long, "xie": other}
    assert Schedule("compact", (3,), 80).name == "compact, 3 epochs, 80 faces"


@every_profile
def test_the_trend_varies_one_thing_at_a_time(profile):
    plan = PLANS[profile]
    assert set(plan.trend) == set(ranking.AXES)
    for axis, schedules in plan.trend.items():
        things = {
            "time": [
                sum(s.stages) * min(plan.training.epoch_images, s.faces or 10**6) for s in schedules
            ],
            "data": [s.faces for s in schedules],
            "parameters": [s.network for s in schedules],
        }
        different = {name: len(set(values)) for name, values in things.items()}
        assert different.pop(axis) == len(schedules) > 1
        assert set(different.values()) == {1}, axis


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (("xie", "telepathy"), "unknown supervision 'telepathy': choose one of clean, "),
        (("xie", "clean", "l7"), "unknown loss 'l7': choose one of ssim, mse"),
        (("xie", "noise2noise", "ssim"), "unknown loss 'ssim': choose one of mse$"),
    ],
)
def test_what_cannot_be_learnt_is_refused_with_what_can(choices, message):
    with pytest.raises(UserError, match=message):
        RestorerConfig(*choices)


def test_a_plan_is_made_without_torch():
    code = (
        "import sys, fer_lib.methods.plans; sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

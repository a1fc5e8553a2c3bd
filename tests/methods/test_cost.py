"""Costs by known answers."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fer_lib import config, training
from fer_lib.methods import cost, networks, plans
from fer_lib.methods.table import Reference
from fer_lib.training import Trained

IMAGE = torch.rand(1, 1, 48, 48)


def test_a_convolution_costs_two_for_each_weight_and_pixel():
    layer = torch.nn.Conv2d(1, 8, 3, padding=1)
    assert cost.flops(layer, IMAGE) == 2 * 9 * 8 * 48 * 48


def test_a_matrix_costs_two_for_each_entry():
    matrix = torch.rand(2304, 2304)
    assert cost.flops(lambda x: x.flatten(1) @ matrix, IMAGE) == 2 * 2304**2


def test_what_does_not_multiply_is_not_counted():
    assert cost.flops(lambda x: x.clamp(0, 1), IMAGE) == 0


def test_time_is_in_milliseconds_on_one_thread():
    threads, seen = torch.get_num_threads(), set()

    def slow(image):
        seen.add(torch.get_num_threads())
        time.sleep(0.01)

    assert cost.milliseconds(slow, IMAGE) >= 9
    assert seen == {1}
    assert torch.get_num_threads() == threads


def test_costs_are_a_row_a_method():
    layer, about = torch.nn.Conv2d(1, 8, 3, padding=1), {"label": "x", "learns": "pairs"}
    methods = {
        "noisy": Reference(methods=(lambda x, protocol, level: x,), **about),
        "conv": Reference(methods=(lambda x, protocol, level: layer(x),), parameters=80, **about),
    }
    table = cost.costs(methods, IMAGE, 0.3).set_index("method")
    assert table["parameters"].to_dict() == {"noisy": 1, "conv": 80}
    assert np.isnan(table.loc["noisy", "flops"])
    assert table.loc["conv", "flops"] == 2 * 9 * 8 * 48 * 48
    assert (table["milliseconds"] > 0).all()


class Study:
    """Enough of a study for `cost.budgets`: 40 faces."""

    settings = config.load("smoke")
    faces = SimpleNamespace(checksum="data")

    def images(self, part):
        return np.zeros((40, 48, 48), np.uint8)


def fit(task, faces, recipe, start=None) -> Trained:
    """A training that ends at once."""
    epochs = range(1, recipe.training.epochs + 1)
    history = [{"train_loss": 1 / (recipe.seed + n), "seconds": 60.0} for n in epochs]
    return Trained(task.build(0), history, [], recipe.key)


PAPER, PAPERS = plans.NETWORKS["cae"].label, Study.settings.training.epochs


@pytest.fixture
def budgets(monkeypatch):
    schedules = (plans.Schedule("xie", (10,)), plans.Schedule("xie", (5, 10)))
    settings = plans.replace(plans.PLANS["smoke"].training, epoch_images=30)
    plan = plans.ReferenceConfig(networks=schedules, trainings=2, training=settings)
    monkeypatch.setitem(plans.PLANS, "smoke", plan)
    monkeypatch.setattr(training, "fit", fit)
    return cost.budgets(Study()).set_index("network")


def test_budgets_count_all_stages_of_a_training(budgets):
    label = plans.NETWORKS["xie"].label
    assert budgets.index.tolist() == [PAPER, f"{label}, 10 epochs", label]
    assert budgets["trainings"].tolist() == [Study.settings.seeds, 2, 2]
    assert budgets["images seen"].tolist() == [PAPERS * 40, 10 * 30, 15 * 30]
    assert budgets["different faces"].tolist() == [40, 40, 40]
    assert budgets["minutes"].tolist() == [PAPERS, 10, 15]
    work = cost.flops(networks.build("xie", 0), torch.zeros(1, 1, 48, 48))
    expected = [300 * work / 1e12, 450 * work / 1e12]
    assert budgets["trillion operations"].tolist()[1:] == pytest.approx(expected)


def test_the_loss_and_its_fall_are_those_of_the_last_stage(budgets):
    assert budgets["last loss"].tolist() == pytest.approx([1 / PAPERS, 1 / 10, 1 / 15])
    assert budgets["fell"].tolist()[1:] == pytest.approx([1 - 8 / 10, 1 - 13 / 15])

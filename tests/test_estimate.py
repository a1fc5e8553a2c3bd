"""The estimate of what chapter 6 trains, in trainings of the profile's own network."""

from dataclasses import replace

import pytest
import torch

from fer_lib import config, cost, estimate, networks
from fer_lib.config import Lesson

CPU = config.PROFILES["cpu"]


def denoisers(*lessons: Lesson, trend: tuple[Lesson, ...] = ()) -> float:
    references = replace(CPU.references, networks=lessons, trend={"time": trend})
    return estimate._denoisers(replace(CPU, references=references), 3200)


def test_without_networks_there_is_nothing_to_train():
    assert denoisers() == 0


def test_the_papers_network_with_noise_is_one_more_training_of_it():
    assert denoisers(Lesson("cae-denoising", CPU.training.epochs)) == 1


def test_another_network_counts_by_its_arithmetic_and_its_images():
    flops = cost.flops(networks.build("gondara", 0), torch.zeros(1, 1, 48, 48))
    own, other = CPU.training, CPU.references.training
    shown = 4 * other.epoch_images / (own.epochs * 3200)
    share = shown * flops / 2 / estimate._macs(CPU.model.width)
    assert denoisers(Lesson("gondara", 4)) == pytest.approx(share)
    half, fewer = Lesson("gondara", 2), Lesson("gondara", 2, other.epoch_images // 2)
    assert denoisers(half) == pytest.approx(share / 2)
    assert denoisers(half, trend=(fewer, half)) == pytest.approx(share * 3 / 4)  # `half` once
    longer = Lesson("gondara", 2, start=Lesson("gondara", 4))
    assert denoisers(longer) == pytest.approx(share * 3 / 2)
    assert denoisers(longer, longer.start) == pytest.approx(share * 3 / 2)

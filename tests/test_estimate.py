"""The estimate of what chapter 6 trains, in trainings of the profile's own network."""

from dataclasses import replace

import pytest
import torch

from fer_lib import config, cost, estimate, networks

CPU = config.PROFILES["cpu"]


def denoisers(*names: str, **changes) -> float:
    references = replace(CPU.references, networks=names, **changes)
    return estimate._denoisers(replace(CPU, references=references), 3200)


def test_without_networks_there_is_nothing_to_train():
    assert denoisers() == 0


def test_the_papers_network_with_noise_is_one_more_training_of_it():
    assert denoisers("cae-denoising") == 1
    assert denoisers("cae-denoising", seeds=3) == 3


def test_another_network_counts_by_its_arithmetic_and_its_images():
    flops = cost.flops(networks.build("gondara", 0), torch.zeros(1, 1, 48, 48))
    own, other = CPU.training, CPU.references.training
    shown = other.epochs * other.epoch_images / (own.epochs * 3200)
    share = shown * flops / 2 / estimate._macs(CPU.model.width)
    assert denoisers("gondara") == pytest.approx(share)
    halved = replace(CPU.references.training, epochs=CPU.references.training.epochs // 2)
    assert denoisers("gondara", training=halved) == pytest.approx(share / 2)

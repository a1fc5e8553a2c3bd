"""What denoisers learn from, and that they learn it."""

import numpy as np
import pytest
import torch

from fer_lib import metrics, pipeline
from fer_lib.config import ModelConfig
from fer_lib.methods import supervision
from fer_lib.methods.plans import LOSSES, NETWORKS, RestorerConfig
from fer_lib.methods.supervision import HIGHEST, DenoisingAutoencoder, Restoration

COMPACT = Restoration(RestorerConfig("compact"))
TASKS = {name: Restoration(network.model) for name, network in NETWORKS.items() if network.model}


@pytest.fixture(scope="module")
def faces(pictures) -> torch.Tensor:
    return torch.tensor(pictures[:16])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def either_way(images: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
    """For each image, the largest difference from the clean one or its mirror image."""
    distances = [(images - x).abs().flatten(1).amax(1) for x in (clean, clean.flip(-1))]
    return torch.minimum(*distances)


def test_levels_go_from_0_to_the_highest():
    levels = supervision.draw_levels(10_000, generator())
    assert levels.min() < 0.001
    assert HIGHEST - 0.001 < levels.max() < HIGHEST
    assert levels.mean() == pytest.approx(HIGHEST / 2, rel=0.02)


def test_each_image_gets_noise_of_its_own_level():
    gray, levels = torch.full((3, 1, 48, 48), 0.5), torch.tensor([0.0, 0.05, 0.1])
    noisy = supervision.corrupt(gray, levels, generator())
    assert torch.equal(noisy[0], gray[0])
    assert noisy.flatten(1).std(1).tolist() == pytest.approx([0, 0.05, 0.1], rel=0.05, abs=1e-7)
    strong = supervision.corrupt(gray, torch.full((3,), 0.6), generator())
    assert (strong.min(), strong.max()) == (0, 1)


def test_supervision_by_clean_images(faces):
    noisy, target = COMPACT.batch(faces, generator())
    clean = pipeline.to_unit(faces)
    assert (either_way(target, clean) == 0).all()
    assert not torch.equal(target, clean)  # some are mirrored
    assert noisy.shape == (16, 1, 48, 48)
    assert 0.02 < (noisy - target).square().mean() < 0.15
    assert (noisy.min(), noisy.max()) == (0, 1)


def test_supervision_by_noisy_images_shows_no_clean_one(faces, monkeypatch):
    """Two draws of the same level: equal where it is 0, otherwise noise on both."""
    levels = torch.tensor([0.0] * 8 + [0.3] * 8)
    monkeypatch.setattr(supervision, "draw_levels", lambda count, generator: levels)
    noisy, target = TASKS["noise2noise"].batch(faces, generator())
    assert torch.equal(noisy[:8], target[:8])
    error = (noisy[8:] - target[8:]).square().mean().item()
    single = COMPACT.batch(faces, generator())
    assert error == pytest.approx(2 * (single[0] - single[1])[8:].square().mean().item(), rel=0.2)
    assert (either_way(target[8:], pipeline.to_unit(faces)[8:]) > 0).all()


def test_self_supervision_shows_one_noisy_image_only(faces):
    noisy, seed = TASKS["neighbor2neighbor"].batch(faces, generator())
    assert seed.shape == ()
    assert torch.equal(noisy, COMPACT.batch(faces, generator())[0])


def test_self_supervision_has_its_own_randomness(faces):
    """The global state neither decides the loss nor is changed by it."""
    task = TASKS["neighbor2neighbor"]
    network, batch = task.build(0), task.batch(faces, generator())
    losses = []
    for state in (1, 2):
        torch.manual_seed(state)
        before = torch.get_rng_state()
        losses.append(task.loss(network, batch, 0.5).item())
        assert torch.equal(torch.get_rng_state(), before)
    assert losses[0] == losses[1] > 0


def test_the_ssim_that_is_learnt_from_is_the_one_that_scores(faces):
    clean = pipeline.to_unit(faces)
    noisy = supervision.corrupt(clean, torch.linspace(0, 0.6, len(clean)), generator())
    scored = metrics.ssim(noisy, clean, 1.0)
    np.testing.assert_allclose(supervision.ssim(noisy, clean).numpy(), scored, atol=1e-5)
    assert scored.min() < 0.3 < scored.max() == 1


def test_the_loss_is_what_its_name_says(faces):
    """A network that gives its input back: the loss is that of the noise."""
    noisy, clean = batch = COMPACT.batch(faces, generator())
    error = (noisy - clean).square().mean().item()
    tasks = {name: Restoration(RestorerConfig("compact", loss=name)) for name in LOSSES}
    losses = {name: x.loss(torch.nn.Identity(), batch, 0.5).item() for name, x in tasks.items()}
    similarity = metrics.ssim(noisy, clean, 1.0).mean().item()
    assert losses["mse"] == pytest.approx(error, rel=1e-5)
    assert losses["ssim"] == pytest.approx(1 - similarity + 5 * error, rel=1e-4)


def test_in_pretraining_each_autoencoder_is_deaf_to_the_other(faces):
    """What Xie's second autoencoder is does not reach the first one's gradient; later it does."""
    task = TASKS["xie"]
    batch = task.batch(faces, generator())

    def gradient(seed, progress):
        """Of the first encoder of one and the same network, with a second one drawn from `seed`."""
        network, other = task.build(0), task.build(seed)
        for layer in ("encode2", "decode2"):
            getattr(network, layer).load_state_dict(getattr(other, layer).state_dict())
        task.loss(network, batch, progress).backward()
        return network.encode1.weight.grad

    assert torch.equal(gradient(0, 0.0), gradient(1, 0.0))
    assert not torch.allclose(gradient(0, 0.5), gradient(1, 0.5), rtol=0.1)


def test_the_penalty_is_0_at_the_sparse_activity_and_pushes_towards_it():
    busy = torch.full((4, 9, 7), 0.5, requires_grad=True)
    supervision._sparsity(busy).backward()
    assert (busy.grad > 0).all()  # less activity, less loss
    assert supervision._sparsity(torch.full((4, 9, 7), 0.05)).item() == pytest.approx(0, abs=1e-6)


def test_the_papers_network_sees_camera_noise_and_restores_what_it_was_trained_on(faces):
    """Its target is its old batch, to the bit; its input is made of a noisy gray 48x48 image."""
    task = DenoisingAutoencoder(ModelConfig(width=1 / 32), augmented=True)
    x, target = task.batch(faces, generator())
    assert torch.equal(target, pipeline.training_batch(faces, generator(), augmented=True))
    assert x.shape == (16, 3, 96, 96)
    assert torch.equal(x[:, 0], x[:, 2])
    small = pipeline.resize(pipeline.denormalise(x[:, :1]), 48)
    assert 0 <= small.min() <= small.max() <= 1
    assert (x - target).square().mean() > 0.02


@pytest.mark.parametrize("name", [name for name in TASKS if name != "dncnn"])
def test_a_few_steps_lower_the_loss(name, faces):
    task = TASKS[name]
    network, batch = task.build(0), task.batch(faces, generator())
    optimiser, losses = torch.optim.Adam(network.parameters(), 1e-3), []
    for _ in range(6):
        optimiser.zero_grad()
        loss = task.loss(network, batch, 0.9)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]

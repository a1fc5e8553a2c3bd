"""What denoisers learn from, and that they learn it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fer_lib import learning, metrics, pipeline
from fer_lib.config import ModelConfig, TrainConfig, UserError
from fer_lib.methods import networks, supervision
from fer_lib.methods.supervision import HIGHEST, RESTORATIONS, DenoisingAutoencoder, Restoration
from fer_lib.tools import weights

ONCE = TrainConfig(epochs=1, batch_size=8, learning_rate=1e-3, schedule="cosine", gradient_epochs=0)


@pytest.fixture(scope="module")
def faces(pictures) -> torch.Tensor:
    return torch.tensor(pictures[:16])


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "WORK", tmp_path)
    monkeypatch.setenv("FER_HEADLESS", "1")


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
    noisy, target = Restoration("compact").batch(faces, generator())
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
    noisy, target = Restoration("compact", "noise2noise", "mse").batch(faces, generator())
    assert torch.equal(noisy[:8], target[:8])
    error = (noisy[8:] - target[8:]).square().mean().item()
    single = Restoration("compact").batch(faces, generator())
    assert error == pytest.approx(2 * (single[0] - single[1])[8:].square().mean().item(), rel=0.2)
    assert (either_way(target[8:], pipeline.to_unit(faces)[8:]) > 0).all()


def test_self_supervision_shows_one_noisy_image_only(faces):
    task = Restoration("compact", "neighbor2neighbor", "mse")
    noisy, seed = task.batch(faces, generator())
    assert seed.shape == ()
    assert torch.equal(noisy, Restoration("compact").batch(faces, generator())[0])


def test_self_supervision_has_its_own_randomness(faces):
    """The global state neither decides the loss nor is changed by it."""
    task = RESTORATIONS["neighbor2neighbor"]
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
    noisy, clean = batch = Restoration("compact").batch(faces, generator())
    error = (noisy - clean).square().mean().item()
    found = {
        name: Restoration("compact", criterion=name).loss(torch.nn.Identity(), batch, 0.5).item()
        for name in supervision.LOSSES
    }
    similarity = metrics.ssim(noisy, clean, 1.0).mean().item()
    assert found["mse"] == pytest.approx(error, rel=1e-5)
    assert found["ssim"] == pytest.approx(1 - similarity + 5 * error, rel=1e-4)


@pytest.mark.parametrize("name", ["compact-mse", "noise2noise", "neighbor2neighbor"])
def test_rivals_in_supervision_differ_in_nothing_else(name):
    """Noisy targets need the squared error, so their twin with clean ones has it too."""
    assert (RESTORATIONS[name].network, RESTORATIONS[name].criterion) == ("compact", "mse")


def test_in_pretraining_each_autoencoder_is_deaf_to_the_other(faces):
    """What Xie's second autoencoder is does not reach the first one's gradient; later it does."""
    task = Restoration("xie")
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


def test_the_papers_network_sees_native_noise_and_restores_what_it_was_trained_on(faces):
    """Its target is its old batch, to the bit; its input is made of a noisy gray 48x48 image."""
    task = DenoisingAutoencoder(ModelConfig(width=1 / 32), 10.0)
    x, target = task.batch(faces, generator())
    assert torch.equal(target, pipeline.training_batch(faces, generator(), 10.0))
    assert x.shape == (16, 3, 96, 96)
    assert torch.equal(x[:, 0], x[:, 2])
    small = pipeline.resize(pipeline.denormalise(x[:, :1]), 48)
    assert 0 <= small.min() <= small.max() <= 1
    assert (x - target).square().mean() > 0.02


@pytest.mark.parametrize("name", [n for n in RESTORATIONS if n != "dncnn"])
def test_a_few_steps_lower_the_loss(name, faces):
    task = RESTORATIONS[name]
    network, batch = task.build(0), task.batch(faces, generator())
    optimiser, losses = torch.optim.Adam(network.parameters(), 1e-3), []
    for _ in range(6):
        optimiser.zero_grad()
        loss = task.loss(network, batch, 0.9)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_a_denoiser_is_trained_and_found_again(pictures):
    task = Restoration("gondara")
    first = learning.fit(task, pictures[:16], 0, ONCE)
    assert not first.model.training
    again = learning.fit(task, pictures[:16], 0, ONCE)
    assert all(map(torch.equal, first.model.parameters(), again.model.parameters()))
    assert first.key.startswith("gondara-")
    assert learning.fit(task, pictures[:16], 1, ONCE).key != first.key
    assert len(first.history) == 1


def test_an_epoch_draws_some_of_the_faces(pictures, monkeypatch):
    seen, original = [], Restoration.batch

    def recording(self, faces, generator):
        seen.append(faces)
        return original(self, faces, generator)

    monkeypatch.setattr(Restoration, "batch", recording)
    learning.fit(Restoration("gondara"), pictures[:16], 0, replace(ONCE, epochs=2, epoch_images=10))
    assert [len(faces) for faces in seen] == [8, 2, 8, 2]
    epochs = [torch.cat(seen[i : i + 2]).flatten(1).unique(dim=0) for i in (0, 2)]
    assert [len(epoch) for epoch in epochs] == [10, 10]  # none twice
    assert not torch.equal(*epochs)


def test_a_resumed_denoiser_equals_an_uninterrupted_one(pictures, tmp_path, monkeypatch):
    """With a falling rate, drawn images and drawn noise: all go on where they stopped."""
    task, settings = Restoration("gondara"), replace(ONCE, epochs=3, epoch_images=10)
    whole = learning.fit(task, pictures[:16], 0, settings)
    monkeypatch.setattr(weights, "WORK", tmp_path / "again")
    original, calls = Restoration.batch, iter(range(3))

    def stopping(self, faces, generator):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return original(self, faces, generator)

    with monkeypatch.context() as patch:
        patch.setattr(Restoration, "batch", stopping)
        with pytest.raises(KeyboardInterrupt):
            learning.fit(task, pictures[:16], 0, settings)
    resumed = learning.fit(task, pictures[:16], 0, settings)
    assert all(map(torch.equal, resumed.model.parameters(), whole.model.parameters()))
    losses = [[line["train_loss"] for line in run.history] for run in (resumed, whole)]
    assert losses[0] == losses[1]


def test_the_rate_falls_along_a_cosine():
    run = learning._Run(Restoration("gondara"), replace(ONCE, learning_rate=0.4), 0, {})
    rates = [run.rate(progress) for progress in (0, 1 / 3, 0.5, 1)]
    assert rates == pytest.approx([0.4, 0.3, 0.2, 0.0])
    still = learning._Run(Restoration("gondara"), replace(ONCE, schedule="constant"), 0, {})
    assert {still.rate(progress) for progress in (0, 0.5, 1)} == {1e-3}


@pytest.mark.parametrize("words", [("unet",), ("compact", "telepathy"), ("xie", "clean", "l7")])
def test_an_unknown_word_is_refused_with_the_known_ones(words):
    with pytest.raises(UserError, match=f"unknown '{words[-1]}': choose one of .*, "):
        Restoration(*words)


def test_names_are_those_of_the_tables():
    others = {"compact-mse", "noise2noise", "neighbor2neighbor"}
    assert set(RESTORATIONS) == networks.NETWORKS.keys() | others
    assert all(task.name == name for name, task in RESTORATIONS.items())

"""The audit's grid: complete, without doubles, and the test loop that plays it."""

import numpy as np
import pytest
import torch

from fer_lib import config, models, pipeline, procedures, testing
from fer_lib.config import ModelConfig, TrainConfig
from fer_lib.noise import PROTOCOLS
from fer_lib.procedures import AXES, Pass, View

LEVELS = (0.0, 0.3)
IDS = np.arange(70)  # more than one batch
TRAINING = TrainConfig(learning_rate=1e-3)


@pytest.fixture(scope="module")
def faces():
    grid = np.linspace(0, 3, 48)[:, None] + np.linspace(0, 2, 48)
    phases = np.random.default_rng(0).uniform(0, 6, (len(IDS), 1, 1))
    return (127 + 120 * np.sin(grid + phases)).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    return models.build(ModelConfig(width=1 / 64), 0).eval()


def play(model, run: Pass, faces, levels=LEVELS, passes=1):
    loop = testing.loop_of(run)
    found = testing.play(model, loop, faces, IDS, levels, 5, passes=passes, training=TRAINING)
    return {(r.level, r.mode, r.passes): r for r in found}


@pytest.mark.parametrize("small", [False, True])
def test_no_procedure_stands_twice_and_all_axes_are_named(small):
    grid = list(procedures.procedures(small))
    assert len(set(grid)) == len(grid)
    assert all(list(procedure.axes) == list(AXES) for procedure in grid)
    assert len({tuple(procedure.axes.values()) for procedure in grid}) == len(grid)


def test_every_axis_of_the_full_grid_varies():
    grid = [procedure.axes for procedure in procedures.procedures(small=False)]
    values = {axis: {axes[axis] for axes in grid} for axis in AXES}
    assert min(map(len, values.values())) >= 2
    assert values["data_range"] == {"1", "2", "image"}
    assert values["passes"] == {"0", "1", "3"}
    assert values["noise"] == {"channel", "shared", "before"}


def test_the_small_grid_is_part_of_the_full_one():
    assert set(procedures.procedures(True)) < set(procedures.procedures(False))


def test_the_loss_always_involves_the_output_and_every_ssim_has_a_source():
    for small in (False, True):
        for procedure in procedures.procedures(small):
            assert procedure.mse_of.startswith("output")
            run, view = procedure.ssim_source
            assert run in procedures.passes(small)
            assert view in procedures.views(run.space)
            assert procedure.ssim_of in procedures.pairs(run, view)


@pytest.mark.parametrize(("space", "protocol"), [("normalised", "literal"), ("unit", "intended")])
def test_plain_loops_are_the_protocols_of_chapter_4(faces, model, space, protocol):
    known = PROTOCOLS[protocol]
    clean = pipeline.to_unit(torch.tensor(faces))
    expected = known.corrupt(clean, 0.3, IDS, 5)
    result = play(model, Pass(space), faces)[0.3, "eval", 0]
    torch.testing.assert_close(result.noisy, expected)
    with torch.inference_mode():
        output = known.from_model(model(known.to_model(expected)))
    torch.testing.assert_close(result.output, output, atol=1e-5, rtol=0)
    reference = testing.reference(faces, IDS, space, "no", 5)
    torch.testing.assert_close(reference, known.reference(clean))


@pytest.mark.parametrize("space", ["normalised", "unit"])
@pytest.mark.parametrize("kind", ["channel", "shared", "before"])
def test_noise_of_each_kind(faces, space, kind):
    loop = testing.loop_of(Pass(space, kind))
    noisy = testing.noisy(loop, faces, IDS, 0.3, 5)
    assert noisy.shape == (70, 3, 96, 96)
    assert noisy.min() >= 0
    assert noisy.max() <= 1
    assert noisy.unique().numel() > 1000
    same = torch.equal(noisy[:, 0], noisy[:, 1])
    assert same == (kind != "channel")
    across = (noisy[..., 1:] - noisy[..., :-1]).square().mean()
    smooth = testing.noisy(testing.loop_of(Pass(space)), faces, IDS, 0.3, 5)
    if kind == "before":  # upsampled noise is smoother
        assert across < 0.5 * (smooth[..., 1:] - smooth[..., :-1]).square().mean()


def test_augmentation_same_moves_both_fresh_only_apart(faces):
    still, same, fresh = (
        testing.reference(faces, IDS, "unit", kind, 5) for kind in ("no", "same", "fresh")
    )
    loop = testing.loop_of(Pass("unit", augmented="fresh"))
    shown = testing.noisy(loop, faces, IDS, 0.0, 5)
    torch.testing.assert_close(shown, same)
    assert not torch.allclose(same, fresh, atol=0.1)
    assert not torch.allclose(same, still, atol=0.1)


def test_modes_differ_and_leave_the_network_as_it_was(faces, model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = play(model, Pass("normalised"), faces)
    assert not torch.allclose(found[0.0, "eval", 0].output, found[0.0, "train", 0].output)
    again = play(model, Pass("normalised"), faces, levels=(0.3,))
    # Level 0 before it, with its running statistics, leaves no trace.
    torch.testing.assert_close(found[0.3, "eval", 0].output, again[0.3, "eval", 0].output)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def error(result, target) -> float:
    return (result.output - target).square().mean().item()


@pytest.mark.parametrize("target", ["clean", "noisy"])
def test_steps_draw_the_output_to_their_target(faces, model, target):
    found = play(model, Pass("normalised", target=target), faces, passes=3)
    plain = play(model, Pass("normalised"), faces)[0.3, "eval", 0]
    goal = {"noisy": plain.noisy, "clean": testing.reference(faces, IDS, "normalised", "no", 5)}
    errors = [error(found[0.3, "train", count], goal[target]) for count in (1, 3)]
    assert errors[1] < errors[0] < 1.05 * error(plain, goal[target])
    assert sorted({key[1:] for key in found}) == [
        ("eval", 1), ("eval", 3), ("train", 1), ("train", 3)
    ]  # fmt: skip


def test_a_carried_network_goes_on_another_starts_anew(faces, model):
    def output(carried, levels):
        run = Pass("normalised", target="clean", carried=carried)
        return play(model, run, faces, levels=levels)[0.3, "eval", 1].output

    torch.testing.assert_close(output(False, LEVELS), output(False, (0.3,)))
    assert not torch.allclose(output(True, LEVELS), output(True, (0.3,)), atol=1e-3)


def test_views_and_pairs_leave_out_what_is_equivalent():
    assert View("normalised", clipped=True) not in procedures.views("unit")
    assert "output-clamped" not in procedures.pairs(Pass("unit"), View("unit"))
    assert "noisy-clean" in procedures.pairs(Pass("unit"), View("unit"))
    assert "noisy-clean" not in procedures.pairs(Pass("unit", mode="train"), View("unit"))


def test_smoke_and_quick_play_the_small_grid_the_rest_all():
    small = {name: settings.audit_small for name, settings in config.PROFILES.items()}
    assert small == {"smoke": True, "quick": True, "cpu": False, "paper": False, "full": False}

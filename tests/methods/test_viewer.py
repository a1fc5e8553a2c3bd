"""The viewer's pictures are what methods make of the same noisy faces that the tables score."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from PIL import Image

from fer_lib import evaluation
from fer_lib.methods import viewer


def halved(noisy, protocol, level):
    return noisy * 1.5 - level  # leaves [0, 1]


def test_it_writes_each_picture_and_says_what_it_is(tmp_path):
    images, ids = np.random.default_rng(1).integers(0, 256, (4, 48, 48), np.uint8), [10, 20, 30, 40]
    rows = SimpleNamespace(images=images, rows=pd.DataFrame({"id": ids}))
    study = SimpleNamespace(faces=rows, folder=tmp_path, settings=SimpleNamespace(seed=5))
    methods = {"noisy": ("noisy input", evaluation.nothing), "x": ("a method", halved)}
    table = viewer.write(study, [30, 10], (0.15, 0.3), methods)
    assert list(table) == ["face", "level", "method", "label", "ssim", "file"]
    assert table["file"].is_unique
    assert len(table) == 2 * (1 + 2 * 2)

    scores = evaluation.score(
        images[[2, 0]],
        np.array([30, 10]),
        methods={(name, 0): method for name, (_, method) in methods.items()},
        levels=(0.15, 0.3),
        seed=5,
        protocols=("camera noise",),
    )
    both = table.merge(
        scores, left_on=["face", "level", "method"], right_on=["id", "level", "method"]
    )
    assert len(both) == 8
    np.testing.assert_allclose(both["ssim_x"], both["ssim_y"])

    files = table.set_index(["face", "level", "method"])["file"]
    clean = Image.open(tmp_path / files[30, 0, "clean"])
    assert clean.mode == "L"
    np.testing.assert_array_equal(np.asarray(clean), images[2])
    noisy, other = (np.asarray(Image.open(tmp_path / files[10, 0.3, m])) for m in methods)
    wanted = (torch.tensor(noisy / 255) * 1.5 - 0.3).clamp(0, 1).numpy() * 255
    assert np.abs(other - wanted).max() <= 1.3  # both were rounded
    assert table["ssim"][table["method"] == "clean"].eq(1).all()

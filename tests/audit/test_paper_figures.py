"""The measurement of the paper's figures, on figures drawn by the same call with known faces."""

import importlib.util
import zlib

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import uniform_filter

from fer_lib import data, metrics, paper
from fer_lib.config import ROOT

SPEC = importlib.util.spec_from_file_location("paper_figures", ROOT / "docs" / "paper_figures.py")
paper_figures = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(paper_figures)

FLIPPED = (2, 7)  # places in which a face is drawn mirrored
UNKNOWN = 5  # place of a face that is not in the data set


@pytest.fixture(scope="module")
def soft(pictures):
    """Bright pictures without edges, so that a dot more or less in a figure changes them little,
    each unlike its mirror image."""
    soft = uniform_filter(pictures, (0, 7, 7)).astype(int)
    lopsided = np.abs(soft - soft[..., ::-1]).mean(axis=(1, 2)) > 25
    return soft[lopsided & ((soft > 160).mean(axis=(1, 2)) > 0.2)].astype(np.uint8)


@pytest.fixture(scope="module")
def faces(soft):
    rows = pd.DataFrame({"id": 1000 + np.arange(len(soft) - 1)})
    twins = np.zeros((0, 2), int)
    return data.Faces(name="x", images=soft[:-1], rows=rows, checksum="", twins=twins)


def three(soft, place, level):
    """Raw, noisy and output (1, 3, 96, 96) of the face at a place of a picture."""
    raw = paper_figures._as_they_had_it(soft[-1 if place == UNKNOWN else place])
    raw = raw.flip(-1) if place in FLIPPED else raw
    noise = torch.randn(raw.shape, generator=torch.Generator().manual_seed(place))
    noisy = (raw + (level + 0.1) * noise).clamp(0, 1)
    output = torch.nn.functional.avg_pool2d(noisy, 5, stride=1, padding=2)
    return raw, noisy, output


@pytest.fixture(scope="module")
def drawn(soft):
    pages = []
    for level in paper.LEVELS:
        figure, axes = plt.subplots(3, 10, figsize=(25, 4), dpi=100)
        for place, column in enumerate(axes.T):
            images = three(soft, place, level)
            for axis, image, title in zip(
                column, images, ("Original", "Noisy", "Output"), strict=True
            ):
                axis.imshow(image[0].permute(1, 2, 0).clamp(0, 1).numpy())
                axis.set(title=title)
                axis.axis("off")
        figure.canvas.draw()
        pages.append(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
        plt.close(figure)
    return pages


@pytest.fixture(scope="module")
def measured(drawn, faces):
    return paper_figures.measure(drawn, faces)


def test_pictures_come_out_of_a_pdf_as_they_went_in(drawn, tmp_path):
    head = b"<< /ColorSpace /DeviceRGB /Height 400 /Type /XObject /Width 2500 >>\nstream\n"
    mask = b"<< /ColorSpace /DeviceGray /Height 400 /Width 2500 >>\nstream\n" + zlib.compress(b"0")
    parts = [head + zlib.compress(page.tobytes()) + b"\nendstream\n" + mask for page in drawn[:2]]
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.5\n" + b"\n".join(parts))
    pages = paper_figures.pictures(tmp_path / "paper.pdf")
    assert len(pages) == 2
    assert all(np.array_equal(*pair) for pair in zip(pages, drawn, strict=False))


def test_faces_are_found_mirrored_ones_too_and_no_other(measured):
    expected = [-1 if place == UNKNOWN else 1000 + place for place in range(10)] * 4
    assert measured["id"].tolist() == expected
    assert measured["mirrored"].tolist() == [place in FLIPPED for place in range(10)] * 4
    assert measured["printed"].tolist() == [x for ten in paper.SSIM_SAMPLES.values() for x in ten]


def test_a_black_face_is_not_taken_for_any_other(faces):
    shown = torch.rand(5, 1, 24, 24)
    shown[1:3] = 0  # two faces that are shown black
    shown[2, 0, 0, 0] = 0.01
    assert paper_figures.find(torch.zeros(1, 3, 96, 96), shown) is None


def test_the_ssim_that_is_measured_is_that_of_the_images_drawn(measured, soft):
    found = measured[measured["id"] >= 0]
    for row in found.itertuples():
        raw, noisy, output = three(soft, row.place, row.level)
        code = metrics.ssim(output, raw, 1.0, "gaussian").item()
        assert row.code == pytest.approx(code, abs=0.03)
        assert row.output == pytest.approx(output.mean().item(), abs=0.015)
    other = [metrics.ssim(n, r, 1.0, "gaussian").item() for r, n, _ in
             (three(soft, row.place, row.level) for row in found.itertuples())]  # fmt: skip
    assert np.abs(found["code"] - other).mean() > 0.05  # another reading would be seen


def test_what_is_committed_says_what_the_chapter_says():
    """The paper's own figures: table I's values come out of the code's reading, and of no other."""
    table = pd.read_csv(paper_figures.TABLE)
    printed = [x for ten in paper.SSIM_SAMPLES.values() for x in ten]
    assert np.allclose(table["printed"], printed, atol=5e-5)
    found = table[table["id"] >= 0]
    assert len(found) == 33
    assert not found["mirrored"].any()
    assert (found["code"] - found["printed"]).abs().max() < 0.012
    assert (found["search"] - found["printed"]).abs().mean() > 0.05

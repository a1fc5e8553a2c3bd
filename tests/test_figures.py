"""Figures take methods that the study does not know: a reader's own denoiser is one."""

import numpy as np
import torch
import torchvision

from fer_lib import evaluation, figures, paper


def test_the_denoiser_of_the_readme_reaches_the_figure(pictures):
    def blurred(noisy, protocol, level):
        return torchvision.transforms.functional.gaussian_blur(noisy, 5)

    methods = {("noisy", 0): evaluation.untouched, ("blur", 0): blurred}
    scores = evaluation.score(pictures[:8], np.arange(8), methods, (0.0, 0.15), 0)
    pooled = evaluation.pool(scores, 50)
    figure = figures.quality_by_level(pooled, paper.tables(), "ssim")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [figures.LABELS["noisy"], "blur", figures.LABELS["paper"]]
    gain = scores.groupby(["protocol", "level", "method"])["ssim"].mean()
    assert gain["camera noise", 0.15, "blur"] > gain["camera noise", 0.15, "noisy"]


def test_small_and_large_faces_share_one_picture():
    gray, colour = np.zeros((2, 48, 48)), torch.zeros(2, 96, 96, 3).numpy()
    figure = figures.faces([("gray", gray), ("colour", colour)])
    assert figure.axes[0].images[0].get_array().shape == (2 * 102, 2 * 102, 3)

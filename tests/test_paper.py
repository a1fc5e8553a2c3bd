"""The paper's printed numbers, and what ten images can say."""

import numpy as np
import pytest
import scipy.stats

from fer_lib import paper


@pytest.mark.parametrize("level", paper.LEVELS)
def test_the_ten_printed_values_have_the_printed_mean(level):
    assert len(paper.SSIM_SAMPLES[level]) == 10
    assert np.mean(paper.SSIM_SAMPLES[level]) == pytest.approx(paper.SSIM[level], abs=6e-5)


def test_table_1_has_the_interval_of_a_mean_of_ten():
    table = paper.tables().set_index("level")
    for level, samples in paper.SSIM_SAMPLES.items():
        row, theirs = table.loc[level], scipy.stats.ttest_1samp(samples, 0).confidence_interval()
        assert (row["ssim_lo"], row["ssim_hi"]) == pytest.approx(tuple(theirs))
        assert row["ssim"] == paper.SSIM[level]
        assert row["mse"] == float(paper.MSE_PRINTED[level])

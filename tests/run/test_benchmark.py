"""The benchmark measures every window and range, and compares equal things."""

from fer_lib import metrics
from fer_lib.run import benchmark


def test_every_window_and_range_is_compared():
    table = benchmark.compare(count=3, repeats=1)
    expected = [(window, span) for window in metrics.WINDOWS for span in ("1", "2", "own")]
    assert list(zip(table["window"], table["range"], strict=True)) == expected
    assert (table[["loop_ms", "ours_ms", "ratio", "threads"]] > 0).all(axis=None)
    assert table["difference"].max() < 1e-6


def test_the_loop_scores_what_it_is_given():
    images, reference, span = benchmark.faces(3)
    one, two = (benchmark.loop(images, reference, k * span, "uniform") for k in (1, 2))
    assert (one < two).all()
    assert (one > 0.05).all()
    assert (two < 0.95).all()

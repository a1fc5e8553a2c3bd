"""docs/cluster.md says what docs/cluster.py computes."""

from docs import cluster


def test_the_estimate_is_the_one_of_the_plans():
    page = cluster.PAGE.read_text(encoding="utf-8")
    assert cluster.render(page) == page


def test_free_workers_take_the_longest_and_wait_for_what_comes_before():
    jobs = {"a": 3.0, "b": 2.0, "c": 2.0, "d": 1.0}
    alone = dict.fromkeys(jobs)
    assert cluster.wall(jobs, alone, 1) == 8
    assert cluster.wall(jobs, alone, 2) == 4
    assert cluster.wall(jobs, alone | {"d": "a", "c": "d"}, 9) == 6

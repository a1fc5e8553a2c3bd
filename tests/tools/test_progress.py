"""How far a computation is reaches the file that a run watches; nothing else is said then."""

import pytest

from fer_lib.tools import progress


def test_a_headless_run_gets_share_and_time_left_in_its_file(tmp_path, monkeypatch, capsys):
    file = tmp_path / "cae-0123"
    monkeypatch.setenv("FER_PROGRESS", str(file))
    monkeypatch.setenv("FER_HEADLESS", "1")
    times = iter([0.0, 10.0, 10.5, 30.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    with progress.Progress("learning a lot", total=20, done=4) as bar:
        bar.advance()
        assert progress.read(file) == (0.25, 150.0, "learning a lot")  # 15 steps at 10 s each
        bar.advance("too soon to write again")
        assert progress.read(file)[0] == 0.25
        bar.advance()
        assert progress.read(file) == (0.35, 130.0, "learning a lot")
    assert progress.read(file) == (0, 0, "")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("text", ["", "0.5", "half 3 what"])
def test_a_file_that_is_just_being_written_says_nothing(tmp_path, text):
    file = tmp_path / "x"
    file.write_text(text)
    assert progress.read(file) == (0, 0, "")


def test_a_file_that_has_gone_says_nothing(tmp_path):
    assert progress.read(tmp_path / "x") == (0, 0, "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3570, "1 h 00 min"), (11100, "3 h 05 min")],
)
def test_a_duration_is_for_people(seconds, text):
    assert progress.duration(seconds) == text

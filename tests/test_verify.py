"""`./run_all.sh verify` finds a number that was changed, wherever it stands."""

import re
import shutil

import pytest

from docs import model_card, verify
from fer_lib.config import REPORTS

RUN = "ferplus-cpu"


@pytest.fixture
def copy(tmp_path):
    """A copy of the committed report without its weights."""
    ignored = shutil.ignore_patterns("networks")
    return shutil.copytree(REPORTS / RUN, tmp_path / RUN, ignore=ignored)


def change(path, old: str, new: str) -> None:
    """Change what a pattern finds first in a file: (before)(the number)."""
    text = path.read_text(encoding="utf-8")
    changed = re.sub(old, rf"\g<1>{new}", text, count=1)
    assert changed != text
    path.write_text(changed, encoding="utf-8")


def tally(step, folder) -> verify.Tally:
    counted = verify.Tally()
    step(folder, counted)
    return counted


def test_numbers_that_are_near_agree_and_those_are_shown_that_do_not(capsys):
    counted = verify.Tally()
    counted.numbers("x", [1.0, 0.5, float("nan"), 200], [1.00005, 0.6, float("nan"), 201], 1e-4)
    assert (counted.agree, counted.all) == (2, 4)
    assert "0.5 is 0.6 there" in capsys.readouterr().out


def test_texts_are_compared_number_by_number():
    counted = verify.Tally()
    counted.text("x", "0.302 [.291, .314] in 9 of 9", "0.302 [.291, .315] in 9 of 9 and 1 more")
    assert (counted.agree, counted.all) == (4, 6)


def test_the_committed_tables_follow_from_their_scores_and_a_changed_one_does_not(copy):
    whole = tally(verify.tables, copy)
    assert whole.agree == whole.all > 1000
    change(
        copy / "tables" / "autoencoder.csv",
        r"(the paper's noise,cae,0,.*?,0\.15,\d+,)0\.\d+",
        "0.9",
    )
    change(copy / "tables" / "verdicts.csv", r"(,)better", "worse")
    hurt = tally(verify.tables, copy)
    assert hurt.all - hurt.agree == 2


def test_the_committed_pages_follow_from_their_tables_and_a_changed_one_does_not(copy):
    whole = tally(verify.texts, copy)
    assert whole.agree == whole.all > 1000
    change(copy / "index.html", r"(<p>[^<]*?)\d\.\d\d\d", "7.777")
    hurt = tally(verify.texts, copy)
    assert hurt.all - hurt.agree == 1


def test_scores_are_made_again_for_what_is_published(copy, capsys, monkeypatch):
    """On the embedded faces there is none: it says which data it takes, and goes on."""
    monkeypatch.setattr(verify, "REPORTS", copy.parent)
    monkeypatch.setenv("FER_DATA", "")
    assert verify.main([RUN]) == 0
    assert "with --data" in capsys.readouterr().out
    assert verify.main(["nothing"]) == 1
    assert capsys.readouterr().err.startswith("error: nothing is no report here")


def test_the_model_card_is_that_of_the_published_networks():
    page = model_card.PAGE.read_text(encoding="utf-8")
    assert model_card.render(page) == page

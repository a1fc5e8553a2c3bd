"""What the front page and the README say of a run, on small made tables."""

import json
import re

import pandas as pd
import pytest

from fer_lib import paper
from fer_lib.report import summary

LEVELS = (0.0, 0.15, 0.3, 0.5)
RECORD = {
    "profile": "cpu",
    "data": {"name": "ferplus", "checksum": "5afe"},
    "config": {
        "width": 0.125,
        "training": {"epochs": 30},
        "train_images": 3200,
        "test_images": None,
    },
    "seeds": [0, 1, 2],
    "commit": "abc",
    "clean": False,
    "command": "./run_all.sh",
    "hardware": {"cpu": "Xeon", "cores": 2, "gpu": None},
    "packages": {"numpy": "2.4.6", "torch": "2.14.1"},
}
#: method -> label, what it learns from, mean SSIM at every level.
METHODS = {
    "noisy": ("noisy input", "nothing", 0.1),
    "median": ("median filter", "nothing", 0.5),
    "tv": ("total variation", "nothing", 0.6),
    "cae": ("the paper's autoencoder", "clean", 0.4),
    "mixture": ("patch mixture", "clean", 0.7),
    "compact": ("compact", "pairs", 0.8),
}


def table(columns: str, rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns.split())


def made_tables() -> dict[str, pd.DataFrame]:
    protocols = ("the paper's noise", "noise in [0, 1]", "camera noise")
    # At 0 the network harms in the last protocol only.
    words = ("equal", "equal", "harmful")
    verdicts = [
        ("RQ1", protocol, metric, baseline, "0", word if metric == "ssim" else "of MSE")
        for baseline in ("noisy", "blur")
        for metric in ("ssim", "mse")
        for protocol, word in zip(protocols, words, strict=True)
    ]
    verdicts += [("RQ2", p, "ssim", "", f"0 to {x}", "worse") for p in protocols for x in (1, 2)]
    field = [(name, level, mean) for name, (_, _, mean) in METHODS.items() for level in LEVELS]
    lead = [
        ("compact", level, "all methods", name, 0.8 - METHODS[name][2], 0.05, 0.25)
        for level in LEVELS[1:]
        for name in ("median", "mixture")
    ]
    return {
        "verdicts": table("question protocol metric baseline at verdict", verdicts),
        "ablation_verdict": table(
            "quantity verdict", [("a", "skips help"), ("b", "learns"), ("c", "fine")]
        ),
        "references": table("method level ssim", field),
        "cost": table("method label learns", [(m, *v[:2]) for m, v in METHODS.items()]),
        "lead": table("leader level among method difference lo hi", lead),
    }


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function that writes a report's tables, and its record with the data set's name."""
    monkeypatch.setattr(summary, "headline", lambda tables: [f"Found in {tables.name}."])

    def write(dataset="ferplus", **changed):
        (tmp_path / "tables").mkdir(exist_ok=True)
        for name, rows in (made_tables() | changed).items():
            rows.to_csv(tmp_path / "tables" / f"{name}.csv", index=False)
        record = RECORD | {"data": {"name": dataset, "checksum": "5afe"}}
        (tmp_path / "run.json").write_text(json.dumps(record))
        return summary.markdown(tmp_path)

    return write


def rows(text: str) -> dict[str, list[str]]:
    """Label -> numbers of every line of the tables in `text`."""
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {label: numbers for label, *numbers in cells}


def test_it_says_what_ran(write):
    assert write().startswith(
        "Run `ferplus-cpu`: the paper's network at 0.125 of its width, 30 epochs on 3200 faces, "
        "3 trainings, scored on a fifth other faces."
    )


def test_the_headline_of_the_audit_comes_first(write):
    first = next(line for line in write().splitlines() if line.startswith("- "))
    assert first == "- Found in tables."


def test_both_questions_are_answered_by_ssim_against_each_baseline(write):
    text = write()
    answer = "equal at 0 (*the paper's noise*, *noise in [0, 1]*); harmful at 0 (*camera noise*)."
    assert f"- **RQ1** (better than doing nothing): {answer}" in text
    assert f"- **RQ1** (better than one Gaussian blur): {answer}" in text
    assert "- **RQ2** (does more noise make it worse): worse at 0 to 1, 0 to 2, in all" in text
    assert "- **Residuals**: skips help; without them the network learns; fine." in text
    assert "of MSE" not in text


def test_the_field_is_the_best_of_each_kind_beside_the_paper_and_doing_nothing(write):
    table = rows(write())
    assert list(table)[2:] == [METHODS[m][0] for m in ("noisy", "tv", "cae", "mixture", "compact")]
    assert table["total variation"] == ["nothing", "0.600", "0.600", "0.600"]  # levels with noise


def test_a_leader_is_compared_with_its_closest_rival(write):
    races = ", ".join(f"+0.100 [0.050, 0.250] at {level:g}" for level in LEVELS[1:])
    assert f"- compact against the best of all methods: {races}." in write()


def test_one_who_does_not_lead_is_behind(write):
    behind = made_tables()["lead"].assign(difference=-0.02, lo=-0.03, hi=-0.01)
    assert "-0.020 [-0.030, -0.010] at 0.15" in write(lead=behind)


@pytest.mark.parametrize("dataset", ["orl", "mine"])
def test_of_other_faces_it_says_nothing_about_the_paper(write, dataset):
    text = write(dataset)
    for word in ("Table", "RQ", "Found", "Residuals", "worse"):
        assert word not in text
    assert text.startswith(f"Run `{dataset}-cpu`")
    assert "total variation" in text


def test_only_the_papers_data_goes_without_a_caveat():
    assert paper.caveat("ferplus") == ""
    assert "400 other faces (ORL). It says nothing about the paper" in paper.caveat("orl")
    assert "other faces (mine)" in paper.caveat("mine")


@pytest.mark.parametrize("name", ["verdicts", "references", "lead"])
def test_a_changed_table_is_noticed(write, name):
    before, changed = write(), made_tables()[name]
    column = {"verdicts": "verdict", "references": "ssim", "lead": "difference"}[name]
    other = changed[column].map(lambda value: value + ("!" if column == "verdict" else 0.003))
    assert write(**{name: changed.assign(**{column: other})}) != before


def test_facts_of_a_run_are_texts():
    assert summary.facts(RECORD) == {
        "commit": "abc, with changes",
        "command": "./run_all.sh",
        "data": "ferplus, SHA-256 5afe",
        "seeds": "0, 1, 2",
        "hardware": "Xeon, 2 cores, GPU: none",
        "packages": "numpy 2.4.6, torch 2.14.1",
    }


def test_insert_replaces_only_the_block():
    text = f"before\n{summary.START}\nold\n{summary.END}\nafter\n"
    assert summary.insert(text, "new\n") == text.replace("old", "new")


def test_the_text_has_no_links_since_it_stands_in_two_places(write):
    assert not re.search(r"\]\(", write())

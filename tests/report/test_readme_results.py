"""What the README and the front page say of a run's findings, on small made tables."""

import pandas as pd
import pytest

from docs import readme
from fer_lib import config, paper
from fer_lib.report import findings


def bullets(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("- ")]


def other(write, name: str, **columns) -> str:
    """The README's text after columns of a table were replaced."""
    frame = findings.read(write(), name).assign(**columns)
    return readme.markdown(write(**{name: frame}))


def test_it_says_what_ran(write):
    text = readme.markdown(write())
    assert text.startswith("Run `ferplus-cpu`: the paper's network at 0.125 width, 30 epochs")
    assert text.endswith(")\n")
    assert not text.endswith("\n\n")


def test_the_three_answers_come_first_each_with_verdict_and_evidence(write):
    effective, matters, table_one = bullets(readme.markdown(write()))[:3]
    assert effective == (
        "- **Are autoencoders effective? Partly.** By SSIM, the paper's network is better than"
        " doing nothing in all 9 cases with noise, but better than one Gaussian blur in none,"
        " and worse in 3 of 9 (with Holm's correction, in 3 of 9). As the authors' code runs it"
        " (one training), it beats the blur in 1 of 9; with a fitting output layer, in none."
        " SSIM at noise 0.3 (*camera noise*): untouched 0.20, the network 0.50, the blur 0.60;"
        " difference -0.100 [-0.200, -0.050]. PSNR: 10.0, 19.5, 21.0 dB."
    )
    assert matters.startswith("- **Does the noise level matter? Holds.** By SSIM, more noise makes")
    assert "0.10 [0.05, 0.15] from 0.15 to 0.3," in matters
    assert table_one.startswith("- **What is table I? Explained.** The authors' public code")
    assert "At noise 0, 0.15, 0.3, 0.5, printed: 0.50, 0.29, 0.21, 0.08." in table_one
    ours = "we ran it, at 1/8 width, one training: 0.30, 0.22, 0.15, 0.05. Every slip undone: 0.90,"
    assert ours in table_one


def test_the_chips_follow_the_verdicts(write):
    before = findings.read(write(), "verdicts")
    assert "effective? Holds." in other(write, "verdicts", verdict="better")
    assert "matter? Not reproduced." in other(write, "verdicts", verdict="better")
    nothing = other(write, "verdicts", verdict="undecided")
    assert "effective? Not reproduced." in nothing
    assert "and worse in none" in nothing
    assert "in all 9 cases with noise" in other(write, "verdicts", lo=before["lo"] + 1e-3)
    assert "worse in 3 of 9 (with Holm's correction, in none)" in other(write, "verdicts", p=0.04)


def test_a_value_of_the_papers_figures_that_is_another_leaves_table_one_undecided(write):
    figures = findings.read(write(), "paper_figures")
    assert "table I? Undecided." in other(write, "paper_figures", code=figures["code"] + 0.02)


def test_main_claims_link_to_their_place_in_the_report(write):
    claims = bullets(readme.markdown(write()))[3:]
    assert len(claims) == 8
    report = "reports/ferplus-cpu"
    assert claims[0] == f'- "claim 26": [holds]({report}/04_noise.html#verdicts)'
    assert claims[2] == (
        f'- "the mean SSIM": [does not hold]({report}/05_as_run.html#tables-i-and-ii)'
    )
    assert claims[4] == f'- "figure 5": [holds in part]({report}/)'  # it has no page


def test_a_claim_has_the_verdict_and_the_evidence_of_its_document(write):
    found = {c["number"]: (c["chip"], c["evidence"]) for c in findings.facts(write())["claims"]}
    assert list(found) == list(range(1, 29))
    assert found[1] == ("holds", "by 0.1")
    assert found[2] == ("see the chapter", "see other noise there")
    assert found[7] == ("holds in part", "loss *0.2* [0.1, 0.3]")
    assert found[9] == ("not tested", "")
    assert found[10] == ("not in the code", "at all")


def test_the_papers_claims_can_be_read(monkeypatch, write):
    folder = write()
    monkeypatch.setattr(findings, "ROOT", config.ROOT)
    claims = findings.facts(folder)["claims"]
    assert [claim["number"] for claim in claims] == list(range(1, len(claims) + 1))
    assert all(claim["words"].startswith('"') and claim["chip"] for claim in claims)


@pytest.mark.parametrize("dataset", ["orl", "mine"])
def test_of_other_faces_it_says_nothing_about_the_paper(write, dataset):
    text = readme.markdown(write(dataset))
    assert text.startswith(f"Run `{dataset}-cpu`")
    assert text.count("\n") == 1


def test_only_the_papers_data_goes_without_a_caveat():
    assert paper.caveat("ferplus") == ""
    assert "400 other faces (ORL). It says nothing about the paper" in paper.caveat("orl")
    assert "other faces (mine)" in paper.caveat("mine")


@pytest.mark.parametrize("name", ["verdicts", "ladder", "autoencoder"])
def test_a_changed_table_is_noticed(write, name):
    before = readme.markdown(write())
    column = {"verdicts": "difference"}.get(name, "ssim")
    values = findings.read(write(), name)[column] + 0.3
    assert other(write, name, **{column: values}) != before


def test_a_cell_that_reads_none_is_a_word(write):
    frame = pd.DataFrame({"name": ["None", "nan"], "value": ["", "1"]})
    rows = findings.read(write(words=frame), "words").to_dict("records")
    assert [row["name"] for row in rows] == ["None", "nan"]
    assert pd.isna(rows[0]["value"])


def test_insert_replaces_only_the_block():
    text = f"before\n{readme.START}\nold\n{readme.END}\nafter\n"
    assert readme.insert(text, "new\n") == text.replace("old", "new")

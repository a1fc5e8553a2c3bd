"""What the README says is what the tables, the code and the files say."""

import json
import re

import pandas as pd
import pytest

from fer_lib import config, evaluation
from fer_lib.report.html import summary
from fer_lib.run import chapters, cli

README = (config.ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = README.split(summary.START)[1].split(summary.END)[0]


def test_results_are_those_of_the_committed_tables():
    run = re.search(r"Run `([\w-]+)`", BLOCK)[1]
    assert summary.markdown(config.ROOT / "reports" / run) == BLOCK.lstrip("\n")


def test_a_changed_table_is_noticed(tmp_path):
    """The text depends on the tables, not only on itself."""
    run = re.search(r"Run `([\w-]+)`", BLOCK)[1]
    source = config.ROOT / "reports" / run
    (tmp_path / "tables").mkdir()
    (tmp_path / "run.json").write_text((source / "run.json").read_text())
    for name in ("autoencoder", "verdicts", "ablation_verdict", "finding", *summary.FIELD):
        text = (source / "tables" / f"{name}.csv").read_text()
        (tmp_path / "tables" / f"{name}.csv").write_text(text.replace("cae,", "cae-new,"))
    assert summary.markdown(tmp_path) != BLOCK.lstrip("\n")


def test_insert_replaces_only_the_block():
    text = f"before\n{summary.START}\nold\n{summary.END}\nafter\n"
    assert summary.insert(text, "new\n") == text.replace("old", "new")


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?:)([^)#]+)\)", README))
def test_links_lead_somewhere(target):
    assert (config.ROOT / target).exists()


def test_every_notebook_profile_and_module_is_named():
    for chapter in chapters.CHAPTERS:
        assert f"notebooks/{chapter.name}.ipynb" in README
    for profile in config.PROFILES:
        assert f"`{profile}`" in README
    for module in (config.ROOT / "fer_lib").glob("[!_]*.py"):
        assert f"`{module.stem}`" in README, module.stem


def test_commands_are_understood():
    for line in re.findall(r"^    \./run_all\.sh ?(.*?)(?: +#.*)?$", README, flags=re.M):
        if "--help" not in line:
            cli.parser().parse_args(line.split())


@pytest.mark.parametrize("path", sorted((config.ROOT / "reports").glob("*/run.json")))
def test_committed_reports_say_where_they_come_from(path):
    record = json.loads(path.read_text())
    commits = record["notebooks"]  # each its own: a run makes again only what a change touches
    assert list(commits) == [chapter.name for chapter in chapters.CHAPTERS]
    assert all(re.fullmatch(r"[0-9a-f]{40}", commit) for commit in commits.values())
    assert record["clean"] is True
    assert path.parent.name == f"{record['data']['name']}-{record['profile']}"
    assert record["config"]["seeds"] == len(record["seeds"])
    assert not re.search(r"/(home|root|work|Users|tmp)/", path.read_text())


@pytest.mark.parametrize("path", sorted((config.ROOT / "reports").glob("*-[qc]*/run.json")))
def test_committed_reports_are_the_run_of_one_commit(path):
    assert re.fullmatch(r"[0-9a-f]{40}", json.loads(path.read_text())["commit"])


@pytest.mark.parametrize("path", sorted((config.ROOT / "reports").glob("*/run.json")))
def test_the_papers_levels_are_scored_on_every_test_image(path):
    """Chapter 7 scores some of them again on fewer images, which must not replace these."""
    table = pd.read_csv(path.parent / "tables" / "noise_evaluation.csv")
    settings = json.loads(path.read_text())["config"]
    rows = table[(table["noise"] == "gaussian") & table["level"].isin(settings["levels"])]
    assert set(rows["n"]) == {settings["test_images"]}
    assert not table.duplicated(evaluation.ROW).any()

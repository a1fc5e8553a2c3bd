"""What the README says is what the tables, the code and the files say."""

import importlib.metadata
import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from docs import readme
from fer_lib import config, evaluation
from fer_lib.run import chapters, cli

README = (config.ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [*config.ROOT.glob("*.md"), *config.ROOT.glob("docs/*.md")]
BLOCK = README.split(readme.START)[1].split(readme.END)[0]


def test_results_are_those_of_the_committed_tables():
    run = re.search(r"Run `([\w-]+)`", BLOCK)[1]
    assert readme.markdown(config.ROOT / "reports" / run) == BLOCK.lstrip("\n")


def test_its_strip_of_faces_is_that_of_the_report():
    run = re.search(r"Run `([\w-]+)`", BLOCK)[1]
    ours, theirs = readme.picture(config.ROOT / "reports" / run), config.ROOT / "docs" / "strip.png"
    with Image.open(theirs) as committed:
        assert np.array_equal(np.asarray(committed), np.asarray(ours))


def test_it_is_read_in_five_minutes():
    assert len(README.split()) <= 1000
    assert len(BLOCK.split()) <= 400  # what the tables may say of it


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_paths_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (path.parent / target).exists(), target
    for target in re.findall(r"`((?:fer_lib|tests|docs|reports)/[\w/.-]+)`", text):
        assert (config.ROOT / target).exists(), target


def test_every_chapter_stands_in_the_table_with_its_title():
    rows = re.findall(r"^\| \[(\d+ .+?)\]\(notebooks/(\w+)\.ipynb\)", README, flags=re.M)
    assert rows == [(f"{int(c.number)} {c.title}", c.name) for c in chapters.CHAPTERS]


def test_every_profile_is_named():
    for profile in config.PROFILES:
        assert f"`{profile}`" in README


def test_the_citation_file_is_whole():
    citation = yaml.safe_load((config.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == importlib.metadata.version("fer-denoise")
    assert [work["scope"] for work in citation["references"]] == [
        "The paper that is studied",
        "The paper's code",
        "The labels, FER+",
        "The faces, FER2013",
        "The embedded faces, ORL",
    ]


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
    declared = {name: wing.VERSION for name, wing in chapters.WINGS.items()}
    assert record["versions"] == declared | {"split": config.SPLIT_VERSION}  # of the code here
    assert not re.search(r"/(home|root|work|Users|tmp)/", path.read_text())


def test_the_report_of_the_first_command_is_the_run_of_one_commit():
    """The other may be of several: overnight runs make again only what a change touches."""
    record = json.loads((config.ROOT / "reports" / "orl-quick" / "run.json").read_text())
    assert re.fullmatch(r"[0-9a-f]{40}", record["commit"])


@pytest.mark.parametrize("path", sorted((config.ROOT / "reports").glob("*/run.json")))
def test_the_papers_levels_are_scored_on_every_test_image(path):
    """Chapter 7 scores some of them again on fewer images, which must not replace these."""
    table = pd.read_csv(path.parent / "tables" / "noise_evaluation.csv")
    settings = json.loads(path.read_text())["config"]
    rows = table[(table["noise"] == "gaussian") & table["level"].isin(settings["levels"])]
    split = pd.read_csv(path.parent / "tables" / "split.csv")
    assert set(rows["n"]) == {(split["side"] == "test").sum()}
    assert (split["side"] != "train").sum() == settings["test_images"]
    assert not table.duplicated(evaluation.ROW).any()

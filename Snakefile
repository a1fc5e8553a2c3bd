# The study as a graph: one job for each training, then the chapters, then the pages.
# `./run_all.sh` calls this with work/RUN as working directory, after it has written there what the
# run asks for and which marks of earlier runs still hold (fer_lib/run/asked.py). So Snakemake sees
# short relative paths only: no brace, quote or space of the project's own path meets its wildcards,
# and no shell is used. Snakemake schedules; what is up to date is decided by content, in `asked`: a
# chapter whose turn it is ends at once if the tables that it reads came out as they were.
import json
import sys
from pathlib import Path

sys.path.insert(0, str(workflow.basedir))
from fer_lib.run import step
from fer_lib.run.chapters import CHAPTERS, find

RUN = config["run"]
if workflow.is_main_process:  # a job on a cluster has another parent
    step.end_with_parent()
# The cores of this machine say nothing of those that a cluster has.
CORES = workflow.cores if config["executor"] == "local" else 8
# Of a chapter or a training of the profiles that are made for them, on a cluster.
GPUS = int(RUN.endswith(("-paper", "-full")))
# A chapter of a small run is too small for two cores: two chapters side by side take less.
CHAPTER_THREADS = 1 if RUN.endswith(("-smoke", "-quick")) else CORES


def facts(kind, name):
    return json.loads(Path(kind, f"{name}.json").read_text(encoding="utf-8"))


def trained(keys):
    # Ancient: a network's name says which it is, so its date does not matter.
    return [ancient(f"trained/{key}") for key in keys if key]


# Pages take seconds: no cluster need start a job for them.
localrules:
    report,
    page,


wildcard_constraints:
    number=r"\d\d",


rule report:
    input:
        "asked/report.json",
        [f"made/{chapter.number}.json" for chapter in CHAPTERS],
    output:
        "made/report.json",
    run:
        step.start("pages", RUN, "report", threads)


rule chapter:
    input:
        "asked/{number}.json",
        lambda wildcards: [f"made/{number}.json" for number in find(wildcards.number).after],
        lambda wildcards: trained(facts("asked", wildcards.number)["trainings"]),
    output:
        "made/{number}.json",
    threads: CHAPTER_THREADS
    resources:
        gpu=GPUS,
    run:
        step.start("execute", RUN, wildcards.number, threads)


rule page:
    input:
        "made/{number}.json",
    output:
        touch("made/{number}.page"),
    run:
        step.start("pages", RUN, wildcards.number, threads)


rule train:
    input:
        lambda wildcards: trained([facts("trainings", wildcards.key)["start"]]),
    output:
        touch("trained/{key}"),
    # Small trainings run side by side; 0 takes all cores.
    threads: lambda wildcards: facts("trainings", wildcards.key)["threads"] or CORES
    resources:
        gpu=GPUS,
    run:
        step.start("train", RUN, wildcards.key, threads)

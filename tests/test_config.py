"""Profiles keep the paper's settings, mistakes are named, and a recipe's key is what decides it."""

import dataclasses
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fer_lib import autoencoder, config
from fer_lib.config import ModelConfig, Part, Recipe, TrainConfig, UserError

#: The paper's own words; only the smallest profiles leave them.
PAPER = {"epochs": 30, "batch_size": 64, "learning_rate": 1e-4, "augmented": True}
DATA = "0" * 64


@pytest.mark.parametrize("profile", config.PROFILES)
@pytest.mark.parametrize("network", config.NETWORKS)
def test_every_profile_loads_and_builds_every_network(profile, network):
    settings = config.load(profile)
    assert settings.profile == profile
    with torch.device("meta"):  # width 1 costs no memory there
        model = autoencoder.CAE(settings.model(network))
    assert model(torch.empty(2, 3, 96, 96, device="meta")).shape == (2, 3, 96, 96)


def test_the_cpu_profile_is_the_paper_at_an_eighth_of_its_width():
    settings = config.load("cpu")
    assert (settings.train_images, settings.test_images) == (3200, 800)
    assert settings.width == 1 / 8
    assert PAPER.items() <= dataclasses.asdict(settings.training).items()
    assert settings.seeds == 3
    assert list(settings.training_seeds) == [0, 1, 2]


def test_the_paper_profile_is_the_paper():
    settings = config.load("paper")
    assert settings.width == 1
    assert (settings.train_images, settings.test_images) == (3200, 800)
    assert PAPER.items() <= dataclasses.asdict(settings.training).items()
    # A CPU trains smaller networks, side by side, and differs in nothing else.
    small = config.load("cpu")
    training = replace(small.training, threads=settings.training.threads)
    assert replace(small, profile="paper", width=1.0, training=training) == settings


def test_the_full_profile_takes_every_image():
    settings = config.load("full")
    assert (settings.train_images, settings.test_images) == (None, None)
    assert settings.width == 1
    assert PAPER.items() <= dataclasses.asdict(settings.training).items()


def test_every_profile_has_the_papers_levels():
    assert {settings.levels for settings in config.PROFILES.values()} == {(0.0, 0.15, 0.3, 0.5)}


def test_small_trainings_run_side_by_side_and_large_ones_have_every_thread():
    threads = {name: settings.training.threads for name, settings in config.PROFILES.items()}
    assert threads == {"smoke": 1, "quick": 1, "cpu": 1, "paper": 0, "full": 0}


def test_seeds_count_up_from_the_runs_seed():
    settings = config.load("quick", seed=10, seeds=2)
    assert list(settings.training_seeds) == [10, 11]
    assert config.load("quick", seeds=0).seeds == config.PROFILES["quick"].seeds
    assert config.PROFILES["quick"].seed == 0  # the profile itself is left alone


def test_an_unknown_profile_is_refused_with_the_known_ones():
    with pytest.raises(UserError) as error:
        config.load("huge")
    assert all(name in str(error.value) for name in ("huge", *config.PROFILES))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("numbers", [{"seed": -1}, {"seeds": -1}])
def test_negative_seeds_are_refused(numbers):
    with pytest.raises(UserError, match="-1"):
        config.load("quick", **numbers)


def test_the_ablations_two_arms_differ_in_residuals_alone():
    whole, twin = (config.load("cpu").model(name) for name in config.VARIANTS)
    assert (whole.residual, twin.residual) == (True, False)
    assert replace(twin, residual=True) == whole == ModelConfig(width=1 / 8)


def test_a_network_has_the_profiles_width_unless_another_is_given():
    settings = config.load("cpu")
    assert settings.model("as-run").width == 1 / 8
    assert settings.model("as-run", 1 / 4) == replace(config.NETWORKS["as-run"], width=1 / 4)


def test_an_unknown_network_is_refused_with_the_known_ones():
    with pytest.raises(UserError) as error:
        config.load("smoke").model("unet")
    assert str(error.value).startswith("unknown network 'unet': choose one of as-run")
    assert all(name in str(error.value) for name in config.NETWORKS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": -1.0},
        {"learning_rate": float("nan")},
        {"precision": "half"},
        {"schedule": "linear"},
    ],
)
def test_settings_that_cannot_train_are_refused(wrong):
    with pytest.raises(UserError) as error:
        TrainConfig(**wrong)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("cls", [ModelConfig, TrainConfig])
def test_settings_are_frozen_and_named(cls):
    with pytest.raises(dataclasses.FrozenInstanceError):
        cls().width = 2
    with pytest.raises(TypeError):
        cls(1)
    with pytest.raises(TypeError):
        cls(size=1)


# Parts of the data


def test_a_part_is_sized_and_drawn_as_the_run_is():
    part = config.load("quick", seed=3).part(DATA, "paper")
    assert part == Part(data=DATA, name="paper", seed=3, train=320, test=80)
    assert part.version == config.SPLIT_VERSION
    old = config.load("full").part(DATA, "untested", version=0, count=7)
    assert old == Part(data=DATA, name="untested", version=0, count=7)


# Recipes and their keys


def recipe(**changes) -> Recipe:
    """No value in it is a default, so that each of them can be told from being left out."""
    values = {
        "task": "reconstruction",
        "version": 3,
        "network": "cae",
        "model": ModelConfig(
            width=0.5,
            residual=False,
            norms=False,
            projection="conv_norm",
            code="identity",
            output="sigmoid",
        ),
        "training": TrainConfig(
            epochs=5,
            batch_size=6,
            learning_rate=0.5,
            augmented=False,
            precision="float32",
            compile=True,
            gradient_epochs=1,
            schedule="cosine",
            epoch_images=9,
            threads=1,
        ),
        "part": Part(data=DATA, name="sample", version=0, seed=4, train=48, test=12, count=24),
        "seed": 8,
    }
    return Recipe(**{**values, **changes})


#: Another value of each field of the recipe above.
OTHERS = {
    "model": {
        "width": 0.25,
        "blocks": False,
        "residual": True,
        "norms": True,
        "projection": "conv",
        "code": "relu",
        "output": "tanh",
    },
    "training": {
        "epochs": 4,
        "batch_size": 7,
        "learning_rate": 0.25,
        "augmented": True,
        "precision": "bfloat16",
        "compile": False,
        "gradient_epochs": 2,
        "schedule": "constant",
        "epoch_images": None,
        "threads": 0,
    },
    "part": {
        "data": "1" * 64,
        "name": "untested",
        "version": 1,
        "seed": 5,
        "train": None,
        "test": 13,
        "count": None,
    },
}
TOP = {"task": "denoising", "version": 4, "network": "cae-plain", "seed": 9, "start": recipe()}


@pytest.mark.parametrize(("where", "field"), [(k, name) for k in OTHERS for name in OTHERS[k]])
def test_each_setting_is_in_the_key(where, field):
    changed = replace(getattr(recipe(), where), **{field: OTHERS[where][field]})
    assert recipe(**{where: changed}).key != recipe().key


@pytest.mark.parametrize("field", TOP)
def test_whatever_else_decides_a_training_is_in_the_key(field):
    assert recipe(**{field: TOP[field]}).key != recipe().key


def test_the_two_tests_above_leave_no_field_out():
    classes = {"model": ModelConfig, "training": TrainConfig, "part": Part}
    for where, cls in classes.items():
        assert set(OTHERS[where]) == {field.name for field in dataclasses.fields(cls)}
    assert {*TOP, *OTHERS} == {field.name for field in dataclasses.fields(Recipe)}


def test_the_start_counts_with_all_that_decides_it():
    first = recipe(start=recipe())
    assert recipe(start=recipe(seed=1)).key != first.key
    assert recipe(start=first).key != first.key
    assert recipe(start=recipe()).key == first.key


def test_a_key_is_the_network_and_twelve_digits():
    name, _, digits = recipe(network="as-run").key.rpartition("-")
    assert name == "as-run"
    assert len(digits) == 12
    assert int(digits, 16) >= 0


def test_keys_are_computed_as_they_were_when_the_networks_were_published():
    """If this fails, no published network is pythons any more: see `Recipe.key`."""
    assert recipe(start=recipe()).key == "cae-7e3a4c9a94ba"
    part = Part(data=DATA, name="sample", version=0)
    plain = recipe(model=ModelConfig(), training=TrainConfig(), part=part, seed=0, version=1)
    assert plain.key == "cae-7776fd16c8b4"


def test_the_defaults_never_change():
    """Keys leave defaults out. With another default here, every old key would name another
    training: give a new setting the default that does what was done before, and change none.
    """
    assert dataclasses.asdict(ModelConfig()) == {
        "width": 1.0,
        "blocks": True,
        "residual": True,
        "norms": True,
        "projection": "conv",
        "code": "relu",
        "output": "tanh",
    }
    assert dataclasses.asdict(TrainConfig()) == {
        "epochs": 30,
        "batch_size": 64,
        "learning_rate": 1e-4,
        "augmented": True,
        "precision": "auto",
        "compile": False,
        "gradient_epochs": 3,
        "schedule": "constant",
        "epoch_images": None,
        "threads": 0,
    }
    part = dataclasses.asdict(Part(data=DATA, name="paper"))
    assert part.pop("version") == config.SPLIT_VERSION  # which always counts
    assert part == {
        "data": DATA,
        "name": "paper",
        "seed": 0,
        "train": None,
        "test": None,
        "count": None,
    }


def test_a_setting_that_comes_later_loses_no_training():
    later = dataclasses.make_dataclass(
        "Later", [("dropout", float, 0.0)], bases=(ModelConfig,), frozen=True, kw_only=True
    )
    values = dataclasses.asdict(recipe().model)
    assert recipe(model=later(**values)).key == recipe().key
    assert recipe(model=later(**values, dropout=0.1)).key != recipe().key


#: Prints keys: of the trainings of chapters 2 to 4, of one with a warm start and of one that learns
#: from the new split.
KEYS = f"""
from dataclasses import replace
from fer_lib import config
settings = config.load("quick")
made = config.recipes(settings, "{DATA}")
made.append(replace(made[0], start=made[1]))
made.append(replace(made[0], part=settings.part("{DATA}", "paper")))
print(*(one.key for one in made))
"""


def keys(python: str = sys.executable, folder: Path = config.ROOT) -> list[str]:
    """What a Python of its own says, with the library in `folder`."""
    command = [python, "-c", KEYS]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    options = {"env": environment, "cwd": folder, "capture_output": True, "text": True}
    return subprocess.run(command, check=True, **options).stdout.split()


@pytest.fixture(scope="module")
def keys_here() -> list[str]:
    made = keys()
    assert len(set(made)) == len(made) > 2
    return made


def edited(folder: Path, *edits: tuple[str, str]) -> Path:
    """A folder with a copy of the library's config alone, in which each `old` became `new`."""
    text = Path(config.__file__).read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "fer_lib").mkdir()
    (folder / "fer_lib" / "__init__.py").touch()
    (folder / "fer_lib" / "config.py").write_text(text, encoding="utf-8")
    return folder


LAST = '    output: str = "tanh"\n'
HARMLESS = {
    "a comment": [("import os\n", "import os  # A comment.\n\n\n")],
    "a docstring": [('"""All that decides', '"""In other words: all that decides')],
    "a function renamed": [("_chosen", "_other_than_default")],
    "a class renamed": [("TrainConfig", "TrainingSettings")],
    "a network added": [("NETWORKS = {", 'NETWORKS = {\n    "new": ModelConfig(code="identity"),')],
    "a setting added": [(LAST, LAST + "    dropout: float = 0.0\n")],
    "another order": [("    width: float = 1.0\n", ""), (LAST, LAST + "    width: float = 1.0\n")],
    "another version of the chapters": [("\nVERSION = ", "\nVERSION = 1")],
}


@pytest.mark.parametrize("edits", HARMLESS.values(), ids=HARMLESS)
def test_an_edit_that_changes_no_training_changes_no_key(tmp_path, keys_here, edits):
    assert keys(folder=edited(tmp_path, *edits)) == keys_here


@pytest.mark.parametrize(
    ("old", "new"),
    [("\nRECONSTRUCTION = ", "\nRECONSTRUCTION = 1"), ("batch_size=8", "batch_size=4")],
)
def test_an_edit_that_changes_trainings_changes_their_keys(tmp_path, keys_here, old, new):
    assert not set(keys(folder=edited(tmp_path, (old, new)))) & set(keys_here)


def test_a_raised_version_of_the_split_changes_the_keys_of_its_trainings_alone(tmp_path, keys_here):
    raised = keys(folder=edited(tmp_path, ("\nSPLIT_VERSION = ", "\nSPLIT_VERSION = 1")))
    assert raised[:-1] == keys_here[:-1]
    assert raised[-1] != keys_here[-1]


def other_pythons() -> list[str]:
    """Other versions of Python, from 3.11 on, that this machine has."""
    roots = [os.environ.get("PYENV_ROOT"), Path.home() / ".pyenv"]
    paths = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    paths += [path for root in roots if root for path in Path(root).glob("versions/*/bin")]
    pythons = {}
    code = "import sys; print(*sys.version_info[:2])"
    for path in paths:
        for python in path.glob("python3.[1-9][0-9]"):
            done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
            if done.returncode == 0:  # pyenv's own stand-ins for a version may have none behind
                pythons.setdefault(tuple(map(int, done.stdout.split())), str(python))
    pythons.pop(sys.version_info[:2], None)
    return [python for version, python in sorted(pythons.items()) if version >= (3, 11)]


def test_every_python_computes_the_same_keys(keys_here):
    pythons = other_pythons()
    if not pythons:
        pytest.skip("this machine has no other Python from 3.11 on")
    for python in pythons:
        assert keys(python) == keys_here, python


def test_stages_are_the_trainings_that_it_starts_from_and_itself():
    first = recipe()
    second = recipe(start=first)
    third = recipe(start=second, seed=1)
    assert third.stages == (first, second, third)
    assert first.stages == (first,)


def test_a_recipe_is_plain_values_for_json():
    values = json.loads(json.dumps(dataclasses.asdict(recipe(start=recipe()))))
    assert TrainConfig(**values["training"]) == recipe().training
    assert ModelConfig(**values["model"]) == recipe().model
    assert Part(**values["start"]["part"]) == recipe().part
    assert values["start"]["start"] is None


def test_chapters_2_to_4_train_both_arms_from_each_seed_on_the_old_sample():
    settings = config.load("cpu", seed=5, seeds=2)
    made = config.recipes(settings, DATA)
    assert [(one.network, one.seed) for one in made] == [
        (name, seed) for name in ("cae", "cae-plain") for seed in (5, 6)
    ]
    assert {one.part for one in made} == {settings.part(DATA, "sample", version=0)}
    assert {one.training for one in made} == {settings.training}
    assert {one.model.width for one in made} == {1 / 8}
    assert len({one.key for one in made}) == 4


def test_a_reconstruction_is_what_the_run_says_but_for_what_is_changed():
    settings, part = config.load("quick"), config.load("quick").part(DATA, "learning")
    made = config.reconstruction(settings, part, "as-run", 7, width=0.5, augmented=False)
    assert made.model == replace(config.NETWORKS["as-run"], width=0.5)
    assert made.training == replace(settings.training, augmented=False)
    assert (made.task, made.version) == ("reconstruction", config.RECONSTRUCTION)
    assert (made.network, made.part, made.seed, made.start) == ("as-run", part, 7, None)


# Imports and folders


@pytest.mark.parametrize("module", ["fer_lib.config", "fer_lib.run.cli"])
def test_a_run_is_planned_without_torch_and_pandas(module):
    code = f"import sys, {module}; print(*{{'torch', 'pandas', 'numpy'}} & set(sys.modules))"
    command, options = [sys.executable, "-c", code], {"capture_output": True, "text": True}
    done = subprocess.run(command, cwd=config.ROOT, check=True, **options)
    assert not done.stdout.split()


def folders(environment: dict[str, str]) -> list[str]:
    """Where work and reports go with these variables."""
    code = "from fer_lib import config; print(config.WORK, config.REPORTS, sep='\\n')"
    command, options = [sys.executable, "-c", code], {"capture_output": True, "text": True}
    done = subprocess.run(command, env=environment, cwd=config.ROOT, check=True, **options)
    return done.stdout.splitlines()


def test_folders_lie_in_the_project_unless_they_are_moved(tmp_path):
    assert folders({}) == [str(config.ROOT / "work"), str(config.ROOT / "reports")]
    moved = {"FER_WORK": str(tmp_path / "w"), "FER_REPORTS": str(tmp_path / "r")}
    assert folders(moved) == list(moved.values())


def test_every_path_is_absolute_wherever_it_came_from():
    """The workflow runs in a folder of its own: there a relative path would be another one."""
    assert all(path.startswith("/") for path in folders({"FER_WORK": "w", "FER_REPORTS": "r"}))


def test_a_runs_name_is_of_the_data_and_the_profile():
    assert config.run_name("orl", config.load("smoke")) == "orl-smoke"

"""Profiles build, keep the paper's settings, and refuse what they do not know."""

import dataclasses
import subprocess
import sys

import pytest
import torch

from fer_lib import autoencoder, config
from fer_lib.config import Lesson, ModelConfig, TrainConfig, UserError

#: The paper's own words; only the smallest profiles leave them.
PAPER = {"epochs": 30, "batch_size": 64, "learning_rate": 1e-4, "rotation": 10.0}


@pytest.mark.parametrize("name", config.PROFILES)
@pytest.mark.parametrize("variant", config.VARIANTS)
def test_every_profile_loads_and_builds_a_network(name, variant):
    settings = config.load(name)
    assert settings.profile == name
    with torch.device("meta"):  # width 1 costs no memory there
        model = autoencoder.CAE(config.model_config(settings, variant))
    assert model(torch.empty(2, 3, 96, 96, device="meta")).shape == (2, 3, 96, 96)


def test_the_cpu_profile_is_the_paper_at_an_eighth_of_its_width():
    settings = config.load("cpu")
    assert (settings.train_images, settings.test_images) == (3200, 800)
    assert settings.model == ModelConfig(width=1 / 8)
    assert PAPER.items() <= dataclasses.asdict(settings.training).items()
    assert settings.seeds == 3
    assert list(settings.training_seeds) == [0, 1, 2]
    assert settings.levels == (0.0, 0.15, 0.3, 0.5)


def test_the_paper_profile_is_the_paper():
    settings = config.load("paper")
    assert settings.model == ModelConfig(width=1.0)
    assert (settings.train_images, settings.test_images) == (3200, 800)
    assert PAPER.items() <= dataclasses.asdict(settings.training).items()
    cpu = config.load("cpu")  # which differs from it in the width, and trains less in chapter 6
    more = ("profile", "model", "audit_widths", "references")
    theirs = {name: getattr(settings, name) for name in more}
    assert dataclasses.replace(cpu, **theirs) == settings
    ours, theirs = cpu.references, settings.references
    assert set(ours.networks) < set(theirs.networks)
    assert dataclasses.replace(theirs, networks=ours.networks) == ours


def test_with_a_gpu_every_network_is_trained_three_times():
    networks = config.load("paper").references.networks
    assert len(set(networks)) == len(networks)
    for lesson in networks:
        assert {lesson.again(n) for n in range(3)} < set(networks)


@pytest.mark.parametrize("profile", ["cpu", "paper", "full"])
def test_an_oracle_has_learnt_more_than_the_network_that_it_grew_from(profile):
    networks = config.load(profile).references.networks
    oracles = [lesson for lesson in networks if lesson.network == "compact-large"]
    assert oracles
    for oracle in oracles:
        assert oracle.start.network == "compact"
        assert oracle.all_epochs > oracle.start.all_epochs


def test_a_lesson_knows_all_that_it_goes_on_from():
    first = Lesson("compact", 2)
    second = Lesson("compact", 3, start=first)
    third = Lesson("compact-large", 4, start=second)
    assert third.courses == (first, second, third)
    assert (first.all_epochs, second.all_epochs, third.all_epochs) == (2, 5, 9)
    assert [course.seed for course in third.again(1).courses] == [1, 1, 1]
    assert third.again(1).again(0) == third


@pytest.mark.parametrize("profile", config.PROFILES)
def test_the_audit_includes_the_profiles_own_network(profile):
    settings = config.load(profile)
    assert settings.model.width in settings.audit_widths
    assert list(settings.audit_widths) == sorted(set(settings.audit_widths))


def test_the_full_profile_takes_every_image():
    settings = config.load("full")
    assert (settings.train_images, settings.test_images) == (None, None)
    assert settings.model.width == 1
    assert PAPER.items() <= dataclasses.asdict(settings.training).items()


def test_every_profile_has_the_papers_levels():
    assert {settings.levels for settings in config.PROFILES.values()} == {(0.0, 0.15, 0.3, 0.5)}


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


def test_variants_differ_in_residuals_alone():
    settings = config.load("cpu")
    whole, twin = (config.model_config(settings, name) for name in ("cae", "cae-plain"))
    assert (whole.residual, twin.residual) == (True, False)
    assert dataclasses.replace(twin, residual=True) == whole


def test_an_unknown_variant_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="unknown variant 'unet': choose one of cae, cae-plain"):
        config.model_config(config.load("smoke"), "unet")


@pytest.mark.parametrize("cls", [ModelConfig, TrainConfig])
def test_a_config_comes_back_from_its_saved_values(cls):
    changed = cls(**({"width": 0.5} if cls is ModelConfig else {"epochs": 7, "compile": True}))
    assert config.from_dict(cls, dataclasses.asdict(changed)) == changed
    assert changed != cls()


def test_saved_values_with_an_unknown_key_are_refused():
    values = dataclasses.asdict(ModelConfig()) | {"depth": 3, "colour": "red"}
    with pytest.raises(UserError, match="unknown ModelConfig settings: colour, depth"):
        config.from_dict(ModelConfig, values)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": -1.0},
        {"precision": "half"},
    ],
)
def test_settings_that_cannot_train_are_refused(wrong):
    with pytest.raises(UserError):
        TrainConfig(**wrong)


@pytest.mark.parametrize("cls", [ModelConfig, TrainConfig])
def test_settings_are_frozen_and_named(cls):
    with pytest.raises(dataclasses.FrozenInstanceError):
        cls().width = 2
    with pytest.raises(TypeError):
        cls(1)
    with pytest.raises(TypeError):
        cls(size=1)


def test_settings_are_plain_values_for_json():
    values = config.load("smoke").as_dict()
    assert values["model"]["width"] == 1 / 32
    assert values["training"]["epochs"] == 2
    assert config.from_dict(TrainConfig, values["training"]) == config.load("smoke").training


def test_words_are_checked_without_importing_torch():
    code = (
        "import sys, fer_lib.run.cli; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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

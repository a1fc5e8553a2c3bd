"""What chapter 9 trains, and on which faces."""

import pytest

from fer_lib import config
from fer_lib.config import PROFILES
from fer_lib.methods import plans
from fer_lib.recognition import plan
from fer_lib.run import chapters

FERPLUS, ORL = ({"name": name, "checksum": "x"} for name in ("ferplus", "orl"))


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_that_stands_before_a_recogniser_has_seen_a_test_face(profile):
    made = plan.recipes(config.load(profile), "x")
    names = {recipe.part.name for recipe in made}
    assert names == {"labelled learning", "learning"}
    assert {recipe.part.version for recipe in made} == {config.SPLIT_VERSION}
    assert len({recipe.key for recipe in made}) == len(made)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_denoiser_is_trained_as_in_chapter_6_but_for_its_faces(profile):
    settings = config.load(profile)
    for schedule in plan.PLANS[profile].denoisers:
        ours = plan.denoisers(settings, "x")[schedule.network]
        theirs = plans.recipe(schedule, settings, "x")
        assert (ours.model, ours.training, ours.seed) == (theirs.model, theirs.training, 0)
        assert ours.key != theirs.key


def test_only_faces_with_votes_ask_for_recognisers():
    settings = config.load("cpu")
    assert not chapters.recipes(settings, ORL)["recognition"]
    made = chapters.recipes(settings, FERPLUS)
    assert made["recognition"] == plan.recipes(settings, "x")
    assert made["audit"] == chapters.recipes(settings, ORL)["audit"]


def test_the_two_recognisers_differ_in_noise_alone():
    clean, noisy = (plan.recogniser(config.load("cpu"), "x", name) for name in plan.RECOGNISERS)
    assert (clean.training, clean.part, clean.seed) == (noisy.training, noisy.part, noisy.seed)
    assert not clean.model.noise
    assert noisy.model.noise

"""The open axes of the paper's evaluation, and the procedures that they span.

The paper leaves open how its tables I and II were made. Each axis below lists the readings that
its words, its libraries' defaults or common practice allow; no axis is a number that could be
turned until it fits. The axes were committed before any procedure was scored; known before were
only the protocols of chapter 4 (`literal` and `intended`, in eval mode).

Left out because it changes nothing: clipping where the network's tanh ends inside the range
anyway; the clamped clean image where clean images are in [0, 1]. Left out because it changes
little, by as much as chapter 5 shows: a Gaussian window or each image's own range on gray images.
Left out because the words forbid it: a "testing loss" that does not involve the output. Left out
for time: three passes carried over; steps with noise of another kind or on augmented images.

One thing changed after the first scores were seen: noisy against clean, which involves no network,
was first crossed with the plain passes only, and is now with all, so that any loss can go with it.
"""

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass

#: What each axis may be, in the order of the columns of tables/audit.csv.
AXES = {
    "space": "value range of the image when noise is added and clamped to 0..1:"
    " normalised is [-1, 1] (then fed as it is), unit is [0, 1] (then normalised)",
    "noise": "an own draw per channel, one shared by the channels, or before upsampling to 96x96",
    "augmented": "test images as stored (no), flipped and rotated (same), or flipped and rotated"
    " anew at every access, so that input and reference differ (fresh)",
    "mode": "batch norms with the statistics of training (eval) or of the test batch (train);"
    " with steps, after the last pass (eval) or as the outputs come in during it (train)",
    "target": "what Adam's steps on the test set draw the output to: none (no steps), clean, noisy",
    "passes": "passes of those steps over the test set at each factor",
    "carried": "whether the network stepped at one factor goes on to the next, or starts anew",
    "scored": "value range in which images are compared: normalised or unit",
    "clipped": "whether outputs are clipped to 0..1 before they are compared",
    "ssim_of": "the two images that SSIM compares",
    "window": "of SSIM: uniform is 7x7 (scikit-image's default), gaussian is Wang et al.'s",
    "data_range": "of SSIM: 2 (scikit-image's default for floats before 0.20), 1, or each"
    " compared image's own range (image; the documentation's example)",
    "channels": "of SSIM: its mean over rgb, or SSIM of the gray images",
    "mse_of": "the two images that the testing loss compares",
}


@dataclass(frozen=True)
class Pass:
    """How outputs come about: the axes that need the network. See AXES."""

    space: str
    noise: str = "channel"
    augmented: str = "no"
    mode: str = "eval"
    target: str = "none"
    passes: int = 0
    carried: bool = False


@dataclass(frozen=True)
class View:
    """In which form images are compared. See AXES."""

    scored: str
    clipped: bool = False


@dataclass(frozen=True)
class Setting:
    """The arguments of SSIM. See AXES."""

    window: str = "uniform"
    data_range: str = "2"
    channels: str = "rgb"


SETTINGS = (
    Setting(),
    Setting(data_range="1"),
    Setting(data_range="image"),
    Setting(channels="gray"),
    Setting(channels="gray", data_range="1"),
    Setting(window="gaussian"),
    Setting(window="gaussian", data_range="1"),
)


@dataclass(frozen=True)
class Procedure:
    """One way to make both of the paper's tables."""

    run: Pass
    view: View
    ssim_of: str
    setting: Setting
    mse_of: str

    @property
    def ssim_source(self) -> tuple[Pass, View]:
        """The pass and view whose SSIM this is: noisy and clean are the same in all of a noise."""
        if self.ssim_of != "noisy-clean":
            return self.run, self.view
        run = self.run
        return Pass(run.space, run.noise, run.augmented), View(self.view.scored)

    @property
    def axes(self) -> dict[str, str]:
        """The value of every axis, in the order of AXES."""
        parts = asdict(self.run) | asdict(self.view) | asdict(self.setting)
        values = parts | {"ssim_of": self.ssim_of, "mse_of": self.mse_of}
        words = {True: "yes", False: "no"}
        return {
            axis: words.get(value, value) if isinstance(value, bool) else str(value)
            for axis, value in ((axis, values[axis]) for axis in AXES)
        }


def passes(small: bool) -> list[Pass]:
    """All forward passes of the grid; `small` leaves out what takes longest."""
    kinds = [("channel", "no"), ("channel", "same"), ("channel", "fresh")]
    kinds += [] if small else [("shared", "no"), ("before", "no")]
    steps = [("clean", 1, False)]
    steps += [] if small else [("clean", 3, False), ("clean", 1, True)]
    steps += [] if small else [("noisy", 1, False), ("noisy", 3, False), ("noisy", 1, True)]
    found = []
    for space, mode in itertools.product(("normalised", "unit"), ("eval", "train")):
        found += [Pass(space, noise, augmented, mode) for noise, augmented in kinds]
        found += [Pass(space, "channel", "no", mode, *step) for step in steps]
    return found


def views(space: str) -> list[View]:
    """The forms in which the images of a pass in `space` can be compared."""
    found = [View("normalised"), View("unit")]
    return [*found, View("normalised", clipped=True)] if space == "normalised" else found


def pairs(run: Pass, view: View) -> list[str]:
    """What SSIM has to be computed of; noisy and clean only once per noise, without a network."""
    found = ["output-clean", "output-noisy"]
    if run.space == "normalised":
        found.insert(1, "output-clamped")
    plain = run.mode == "eval" and run.target == "none" and not view.clipped
    return [*found, "noisy-clean"] if plain else found


def compared(run: Pass, view: View) -> list[str]:
    """What SSIM can compare in a procedure: `pairs`, and noisy and clean always."""
    return list(dict.fromkeys([*pairs(run, view), "noisy-clean"]))


def losses(run: Pass) -> list[str]:
    """What the testing loss can compare."""
    return [pair for pair in pairs(run, View("unit")) if pair.startswith("output")]


def procedures(small: bool) -> Iterator[Procedure]:
    """Every procedure of the grid."""
    for run in passes(small):
        for view in views(run.space):
            choices = itertools.product(compared(run, view), SETTINGS, losses(run))
            yield from (
                Procedure(run, view, pair, setting, loss) for pair, setting, loss in choices
            )

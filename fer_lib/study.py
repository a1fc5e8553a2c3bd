"""One run of the study: its settings, its faces, and the files that chapters write and read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fer_lib import config, data, training
from fer_lib.config import REPORTS, Config, Part, Recipe
from fer_lib.readers import ferplus
from fer_lib.tools import files
from fer_lib.training import Trained


@dataclass(frozen=True)
class Study:
    """What a notebook opens first. folder: the run's report."""

    settings: Config
    faces: data.Faces
    folder: Path

    def write(self, table: pd.DataFrame, name: str, *, digits: int = 6) -> None:
        """Write tables/NAME.csv atomically, with `digits` significant digits."""
        text = table.to_csv(index=False, float_format=f"%.{digits}g", lineterminator="\n")
        files.write_text(self.folder / "tables" / f"{name}.csv", text)

    def read(self, name: str) -> pd.DataFrame:
        """Read tables/NAME.csv. Raises UserError if the chapter that writes it has not run."""
        path = self.folder / "tables" / f"{name}.csv"
        if not path.exists():
            run = self.folder.name
            raise config.UserError(f"no {name}.csv in {run} yet: run earlier notebooks")
        return pd.read_csv(path, keep_default_na=False)

    def show(self, figure, name: str, *, alt: str, caption: str, table: str = "") -> None:
        """Save a matplotlib figure as figures/NAME.png and show the same file in the notebook. The
        output's metadata have its name; alt, a description for readers who cannot see it; caption,
        the text below it, in Markdown with $maths$; and table, the one that it was drawn from."""
        from IPython.display import Image, display  # no training waits for what draws

        from fer_lib.tools import plots

        png, width = plots.png(figure)
        with files.replacing(self.folder / "figures" / f"{name}.png") as temporary:
            temporary.write_bytes(png)
        metadata = {"name": name, "alt": alt, "caption": caption, "table": table, "width": width}
        display(Image(png, format="png", metadata=metadata))

    def side(self, name: str) -> tuple[np.ndarray, pd.DataFrame]:
        """The images (n, 48, 48) and rows of the "train" or "test" side of tables/split.csv."""
        split = self.read("split")
        ids = split["id"][split["side"] == name]
        return self._at(np.searchsorted(self.faces.rows["id"], ids))

    def _at(self, positions: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
        return np.ascontiguousarray(self.faces.images[positions]), self.faces.rows.loc[positions]

    def shown(self, rows: pd.DataFrame, count: int) -> tuple[np.ndarray, pd.DataFrame]:
        """Up to `count` images and rows of those in `rows` that a figure may show: of FER+ those in
        `ferplus.SHOWN`; of other data, or where none of these is, some, evenly spaced."""
        ids = rows["id"].to_numpy()
        some = np.linspace(0, len(ids), min(count, len(ids)), endpoint=False).astype(int)
        named = [one for one in ferplus.SHOWN if one in ids] or ids[some]
        return self._at(np.searchsorted(self.faces.rows["id"], named[:count]))

    def part(self, name: str, **changes) -> Part:
        """A part of this study's faces by its name; see `Config.part`."""
        return self.settings.part(self.faces.checksum, name, **changes)

    def images(self, part: Part) -> np.ndarray:
        """The faces, uint8 (n, 48, 48), that a training of `part` learns from. Raises UserError for
        an unknown part or one of another data set."""
        return self.examples(part)[0]

    def examples(self, part: Part) -> tuple[np.ndarray, pd.DataFrame]:
        """`images`, and their rows; all of them where there are fewer than the part's count."""
        if part.data != self.faces.checksum:
            raise config.UserError(f"part {part.name!r} is of other faces: open those faces' study")
        places = self._places(part)
        if part.count is not None:
            count = min(part.count, len(places))
            places = places[np.linspace(0, len(places), count, endpoint=False).astype(int)]
        return self._at(places)

    def _places(self, part: Part) -> np.ndarray:
        name = part.name.removeprefix("labelled ")
        if name in ("learning", "validation", "test") and part.version == config.SPLIT_VERSION:
            chosen = data.parts(self.faces)["part"] == name
            if name != part.name:
                chosen &= self.faces.rows["emotion"] != ""
            return np.flatnonzero(chosen)
        if (part.name, part.version) == ("paper", config.SPLIT_VERSION):
            sample = data.paper_sample(self.faces, part.seed, train=part.train, test=part.test)
            return sample.index[sample["side"] == "train"]
        if part.version == 0:  # drawn, not read from split.csv: no training waits for chapter 1
            split = data.split(self.faces, part.train, part.test, part.seed)
            if part.name == "sample":
                return split.index[split["side"] == "train"]
            if part.name == "untested":
                groups, tested = data.groups(self.faces), split.index[split["side"] != "train"]
                return np.flatnonzero(~np.isin(groups, groups[tested]))
        raise config.UserError(f"unknown part {part.name!r} of version {part.version}")

    def paper(self, side: str) -> tuple[np.ndarray, pd.DataFrame]:
        """The images (n, 48, 48) and rows of the "train" or "test" side of the paper's sample."""
        part = self.part("paper")
        sample = data.paper_sample(self.faces, part.seed, train=part.train, test=part.test)
        return self._at(sample.index[sample["side"] == side])

    def validation(self, count: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """Up to `count` validation faces (n, 48, 48), evenly spaced, and their ids; for tuning."""
        images, rows = self.examples(self.part("validation", count=count))
        return images, rows["id"].to_numpy()

    def trained(self, network: str, seed: int) -> Trained:
        """One of NETWORKS: loaded, or trained now on the training side of split version 0."""
        part = self.part("sample", version=0)
        return self.reconstruct(config.reconstruction(self.settings, part, network, seed))

    def reconstruct(self, recipe: Recipe) -> Trained:
        """The training of a recipe with the task "reconstruction": loaded, or trained now."""
        task = training.Reconstruction(recipe.model, recipe.training.augmented)
        return training.fit(task, self.images(recipe.part), recipe)


def open_study(profile: str, path: str = "", seed: int = 0, seeds: int = 0) -> Study:
    """The run of `profile` on the faces at `path` (default: $FER_DATA, else the embedded ORL)."""
    settings, faces = config.load(profile, seed, seeds), data.load(path or None)
    return Study(settings, faces, REPORTS / config.run_name(faces.name, settings))

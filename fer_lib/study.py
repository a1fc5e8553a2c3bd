"""One run of the study: its settings, its faces, and the files through which chapters speak."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from fer_lib import config, data, training
from fer_lib.config import REPORTS, WORK, Config
from fer_lib.learning import Trained
from fer_lib.tools import files


@dataclass(frozen=True)
class Study:
    """What a notebook opens first. `folder` is the run's report, `work` its ignored counterpart."""

    settings: Config
    faces: data.Faces
    folder: Path
    work: Path

    def write(self, table: pd.DataFrame, name: str, *, digits: int = 6) -> None:
        """Write tables/NAME.csv atomically, with `digits` significant digits."""
        text = table.to_csv(index=False, float_format=f"%.{digits}g", lineterminator="\n")
        files.write_text(self.folder / "tables" / f"{name}.csv", text)

    def read(self, name: str) -> pd.DataFrame:
        """Read tables/NAME.csv. Raises UserError if the chapter that writes it has not run."""
        path = self.folder / "tables" / f"{name}.csv"
        if not path.exists():
            raise config.UserError(
                f"no {name}.csv in {self.folder.name} yet: run earlier notebooks"
            )
        return pd.read_csv(path, keep_default_na=False)

    def side(self, name: str) -> tuple[np.ndarray, pd.DataFrame]:
        """The images (n, 48, 48) and rows of the "train" or "test" side of tables/split.csv."""
        positions = self._positions(name)
        return np.ascontiguousarray(self.faces.images[positions]), self.faces.rows.loc[positions]

    def untested(self) -> np.ndarray:
        """Every image (n, 48, 48) that is not in the test set, nor a copy of one in it."""
        return data.untested(self.faces, self._positions("test"))

    def _positions(self, side: str) -> np.ndarray:
        split = self.read("split")
        return np.searchsorted(self.faces.rows["id"], split["id"][split["side"] == side])

    def trained(self, variant: str, seed: int, width: float | None = None) -> Trained:
        """The network of one arm of the ablation, trained now unless it was before.

        width: other than the profile's own.
        """
        model = self.settings.model
        model = replace(model, width=model.width if width is None else width)
        settings = replace(self.settings, model=model)
        return training.fit(self.side("train")[0], variant, seed, settings)


def open_study(profile: str, path: str = "", seed: int = 0, seeds: int = 0) -> Study:
    """The run of `profile` on the faces at `path` (default: $FER_DATA, else the embedded ORL)."""
    settings = config.load(profile, seed, seeds)
    faces = data.load(path or None)
    name = config.run_name(faces.name, settings)
    return Study(settings, faces, REPORTS / name, WORK / name)

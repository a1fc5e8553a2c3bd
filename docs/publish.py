"""Publishes finished trainings beside a report: `python docs/publish.py RUN KEY...`.

Their networks go from the work folder to reports/RUN/networks, where `tools.weights` finds them.
"""

import sys
from pathlib import Path

from fer_lib.config import REPORTS, UserError
from fer_lib.tools import weights


def publish(key: str, folder: Path) -> Path:
    """Write the facts of the finished training `key`, and its weights, those of more than one
    dimension in half precision, to a file in `folder`. Raises UserError if it has not finished."""
    if not weights.finished(key):
        raise UserError(f"no finished training {key!r} in the work folder: name it, or let it end")
    tensors, facts, _ = weights.newest(key)
    model = {k: v.half() if v.ndim > 1 else v for k, v in tensors.items() if k.startswith("model.")}
    path = folder / f"{key}{weights.SUFFIX}"
    weights.save(path, model, **facts)
    return path


def main() -> None:
    """Publish the trainings that the command line names."""
    run, *keys = sys.argv[1:]
    try:
        for key in keys:
            print(publish(key, REPORTS / run / "networks").name)
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

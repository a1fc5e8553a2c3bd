"""Publish trained networks beside a report, for whoever wants to use them without training.

`python -m fer_lib.run.publish RUN KEY...` writes the weights of finished trainings, named as their
folders in the work folder are, to reports/RUN/networks/KEY.safetensors. The key is that of the
training: `learning.fit` takes such a file only where it would train the same.
"""

import sys
from pathlib import Path

import torch

from fer_lib.config import REPORTS, WORK, UserError
from fer_lib.tools import weights


def publish(key: str, folder: Path) -> Path:
    """Write the weights and the facts of the finished training `key` to a file in `folder`.

    Weights of more than one dimension are rounded to half precision, 11 bits. Raises UserError for
    a training that is not there or not finished.
    """
    source = WORK / "models" / key / "checkpoint.safetensors"
    if not source.exists():
        raise UserError(f"no training {key!r} in the work folder: name its folder there")
    tensors, facts = weights.load(source)
    if len(facts["history"]) < facts["training"]["epochs"]:
        raise UserError(f"{key} has not finished its training: let it finish")
    path = folder / f"{key}.safetensors"
    weights.save(path, {k: _half(v) for k, v in _weights(tensors).items()}, **facts)
    return path


def _weights(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.startswith("model.")}


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.ndim > 1 else tensor


def main() -> int:
    run, *keys = sys.argv[1:]
    try:
        for key in keys:
            print(publish(key, REPORTS / run / "networks").name)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

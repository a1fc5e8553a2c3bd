"""Publish trained networks beside a report, for whoever wants to use them without training.

`python -m fer_lib.publish PROFILE NAME...`, with the data in $FER_DATA, trains or finds each
network of chapter 6 so named and writes its weights to reports/RUN/networks/NAME-KEY.safetensors.
The key is that of the training: `learning.fit` takes the file instead of training only if it would
train the very same.
"""

import sys
from pathlib import Path

from fer_lib import checkpoint, references, study
from fer_lib.config import WORK


def publish(key: str, folder: Path) -> Path:
    """Write the weights and the facts of the finished training `key` to a file in `folder`."""
    tensors, facts = checkpoint.load(WORK / "models" / key / "checkpoint.safetensors")
    weights = {name: tensor for name, tensor in tensors.items() if name.startswith("model.")}
    path = folder / f"{key}.safetensors"
    checkpoint.save(path, weights, **facts)
    return path


def main() -> None:
    profile, *names = sys.argv[1:]
    opened = study.open_study(profile)
    first = opened.settings.seed
    for name in names:
        for seed in range(first, first + opened.settings.references.seeds):
            key = references.fit(opened, name, seed).key
            if not checkpoint.published(key):
                print(publish(key, opened.folder / "networks").name)


if __name__ == "__main__":
    main()

"""The votes on faces, how well they agree, and what a recogniser says of a picture."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from fer_lib import data
from fer_lib.readers.ferplus import EMOTIONS, VOTES
from fer_lib.recognition import plan
from fer_lib.recognition.recogniser import probabilities, targets
from fer_lib.study import Study


def counts(study: Study) -> pd.DataFrame:
    """Of each part: its faces, those with a majority, the mean share of the ten votes that the
    majority has, and the number of faces of each emotion."""
    rows = study.faces.rows.assign(part=data.parts(study.faces)["part"])
    found = {}
    for part in data.PARTS.values():
        some = rows[rows["part"] == part]
        sure = some[some["emotion"] != ""]
        votes = sure[[*VOTES]].to_numpy()
        top = (votes.max(axis=1) / votes.sum(axis=1)).mean()
        found[part] = {"faces": len(some), "with a majority": len(sure)}
        found[part] |= {"share of votes for it": f"{top:.1%}"}
        found[part] |= {emotion: (sure["emotion"] == emotion).sum() for emotion in EMOTIONS}
    return pd.DataFrame(found)


def entropy(study: Study) -> float:
    """The mean entropy, in nats, of the votes that recognisers learn: no loss gets below."""
    profile = study.settings.profile
    part = study.part("labelled learning", count=plan.PLANS[profile].faces)
    shares = targets(study.examples(part)[1][[*VOTES]].to_numpy())
    return float(-np.sum(shares * np.log(np.where(shares > 0, shares, 1)), axis=1).mean())


def named(label: str, images: torch.Tensor, model: nn.Module) -> tuple:
    """A row of `figures.faces`: label, pixels, and on each what the recogniser names."""
    chances, guess = probabilities(model, images).max(dim=1)
    pairs = zip(guess.tolist(), chances.tolist(), strict=True)
    return label, images[:, 0].numpy(), [f"{EMOTIONS[n]} {chance:.0%}" for n, chance in pairs]

"""Train the autoencoder to reproduce clean faces (paper, section "Training")."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from fer_lib import autoencoder, config, learning, pipeline
from fer_lib.config import Config, ModelConfig
from fer_lib.learning import Trained


@dataclass(frozen=True)
class Reconstruction:
    """The paper's network learns to give back its input.

    rotation: largest angle of the augmentation in degrees.
    """

    name: str
    model: ModelConfig
    rotation: float
    recipe = ("models", "pipeline", "training")

    def facts(self) -> dict:
        return {"model": asdict(self.model)}

    def build(self, seed: int) -> nn.Module:
        return autoencoder.build(self.model, seed)

    def batch(self, faces: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Network input, which is the target too: (N, 3, 96, 96) in [-1, 1]."""
        x = pipeline.training_batch(faces, generator, self.rotation)
        return x.contiguous(memory_format=torch.channels_last)

    def loss(self, network: nn.Module, batch: torch.Tensor, progress: float) -> torch.Tensor:
        return F.mse_loss(network(batch).float(), batch)


def fit(faces: np.ndarray, variant: str, seed: int, settings: Config) -> Trained:
    """Train `variant` ("cae", "cae-plain") on clean `faces`, uint8 (N, 48, 48), or find it trained.

    See `learning.fit`. Raises UserError for an unknown variant or a damaged checkpoint.
    """
    model = config.model_config(settings, variant)
    task = Reconstruction(variant, model, settings.training.rotation)
    return learning.fit(task, faces, seed, settings.training)

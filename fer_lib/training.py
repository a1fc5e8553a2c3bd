"""Train the autoencoder to reproduce clean faces (paper, section "Training").

`fit` resumes by itself: after each epoch everything that the next one needs is on disk.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from fer_lib import checkpoint, config, device, models, pipeline, progress
from fer_lib.config import Config, ModelConfig, TrainConfig


@dataclass(frozen=True)
class Trained:
    """A trained network in eval mode and the record of its training.

    history: one dict an epoch: epoch, train_loss (MSE on [-1, 1]), seconds.
    gradients: one dict an epoch and layer: epoch, layer, depth, norm (mean over the steps).
    key: the name of its folder in the work folder.
    """

    model: models.CAE
    history: list[dict]
    gradients: list[dict]
    key: str


def fit(faces: np.ndarray, variant: str, seed: int, settings: Config) -> Trained:
    """Train `variant` ("cae", "cae-plain") on clean `faces`, uint8 (N, 48, 48), or find it trained.

    Continues from the last whole epoch if it was interrupted. Raises UserError for an unknown
    variant or a damaged checkpoint.
    """
    model_config = config.model_config(settings, variant)
    digest = checkpoint.digest(faces)
    made_of = {"model": asdict(model_config), "training": asdict(settings.training)}
    folder = checkpoint.folder(variant, **made_of, seed=seed, faces=digest)
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / "lock"):
        run = _Run(model_config, settings.training, seed)
        file = folder / "checkpoint.safetensors"
        if file.exists():
            run.restore(*checkpoint.load(file))
        _epochs(run, torch.tensor(faces), file, f"{variant}, seed {seed}")
    return Trained(run.model.eval(), run.history, run.gradients, folder.name)


def _epochs(run: "_Run", faces: torch.Tensor, file: Path, name: str) -> None:
    """Train the epochs that `run` still lacks, with a checkpoint after each."""
    settings, done = run.settings, len(run.history)
    if done == settings.epochs:
        return
    step, faces = run.step_function(), faces.to(run.device)
    steps = -(-len(faces) // settings.batch_size)
    with progress.Progress(name, settings.epochs * steps, done * steps) as bar:
        for epoch in range(done + 1, settings.epochs + 1):
            start = time.monotonic()
            loss, norms = _epoch(run, faces, step, epoch <= settings.gradient_epochs, bar)
            run.record(epoch, loss, time.monotonic() - start, norms)
            checkpoint.save(file, run.tensors(), **run.facts())


def _epoch(run: "_Run", faces: torch.Tensor, step, watch: bool, bar) -> tuple[float, list]:
    """One pass over `faces`: the mean loss per image, and each step's gradient norms if watched."""
    total, norms = 0.0, []
    order = torch.randperm(len(faces), generator=run.generator)
    for chosen in order.split(run.settings.batch_size):
        batch = faces[chosen.to(run.device)]
        x = pipeline.training_batch(batch, run.generator, run.settings.rotation)
        loss = step(x.contiguous(memory_format=torch.channels_last)).item()
        total += loss * len(chosen)  # a short last batch weighs what it holds
        if watch:
            norms.append(gradient_norms(run.model))
        bar.advance(f"epoch {len(run.history) + 1}, loss {loss:.4f}")
    return total / len(faces), norms


def gradient_norms(model: nn.Module) -> list[float]:
    """The Euclidean norm of the gradient of each layer's weight, in order of `layers`."""
    norms = torch._foreach_norm([module.weight.grad for _, module in layers(model)])
    return torch.stack(norms).tolist()


def layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The convolutions of the main path, from input to output; projections of skips are aside."""
    kinds = nn.Conv2d | nn.ConvTranspose2d
    named = ((name, m) for name, m in model.named_modules() if isinstance(m, kinds))
    return [(name, module) for name, module in named if ".skip" not in name]


class _Run:
    """All state of one training: what a checkpoint must hold, and nothing else."""

    def __init__(self, model: ModelConfig, settings: TrainConfig, seed: int):
        self.settings, self.seed = settings, seed
        self.device = device.best()
        built = models.build(model, seed)
        self.model = built.to(self.device, memory_format=torch.channels_last).train()
        self.optimiser = torch.optim.Adam(
            self.model.parameters(), lr=settings.learning_rate, fused=self.device.type != "mps"
        )
        self.generator = torch.Generator().manual_seed(seed)
        self.history: list[dict] = []
        self.gradients: list[dict] = []

    def step_function(self):
        """A function of a batch that takes one optimiser step and returns the loss before it."""
        compiles = self.settings.compile and device.can_compile(self.device)
        forward = torch.compile(self.model) if compiles else self.model
        dtype = device.autocast_dtype(self.settings.precision, self.device)

        def step(x: torch.Tensor) -> torch.Tensor:
            self.optimiser.zero_grad()
            with torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32):
                output = forward(x)
            loss = F.mse_loss(output.float(), x)
            loss.backward()
            self.optimiser.step()
            return loss.detach()

        return step

    def record(self, epoch: int, loss: float, seconds: float, norms: list[list[float]]) -> None:
        self.history.append({"epoch": epoch, "train_loss": loss, "seconds": seconds})
        if norms:
            means = np.mean(norms, axis=0).tolist()
            for depth, (layer, _) in enumerate(layers(self.model), 1):
                row = {"epoch": epoch, "layer": layer, "depth": depth, "norm": means[depth - 1]}
                self.gradients.append(row)

    def tensors(self) -> dict[str, torch.Tensor]:
        named = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        moments = self.optimiser.state_dict()["state"]
        for number, state in moments.items():
            named |= {f"adam.{number}.{k}": torch.as_tensor(v) for k, v in state.items()}
        return named | {"generator": self.generator.get_state()}

    def facts(self) -> dict:
        return {
            "model": asdict(self.model.config),
            "training": asdict(self.settings),
            "seed": self.seed,
            "history": self.history,
            "gradients": self.gradients,
        }

    def restore(self, tensors: dict[str, torch.Tensor], facts: dict) -> None:
        self.model.load_state_dict(checkpoint.nested("model", tensors))
        self.generator.set_state(tensors["generator"])
        parameters = list(self.model.parameters())
        state: dict[int, dict] = {number: {} for number in range(len(parameters))}
        for name, tensor in checkpoint.nested("adam", tensors).items():
            number, moment = name.split(".")
            if tensor.ndim:  # fused Adam reads memory as it lies: moments must lie as the weights
                tensor = torch.empty_like(parameters[int(number)]).copy_(tensor)
            state[int(number)][moment] = tensor
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})
        self.history, self.gradients = facts["history"], facts["gradients"]

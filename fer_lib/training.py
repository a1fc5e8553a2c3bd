"""The training loop, for any network and any task, and the paper's own task."""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import filelock
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from fer_lib import autoencoder, pipeline
from fer_lib.config import ModelConfig, Recipe, UserError
from fer_lib.tools import device, files, progress, weights


class Task(Protocol):
    """What is learnt. Its settings are in the training's recipe."""

    def build(self, seed: int) -> nn.Module:
        """The network before training; the same seed gives the same weights."""

    def batch(self, faces: torch.Tensor, generator: torch.Generator, *labels: torch.Tensor):
        """One training batch, float32, made from clean faces, uint8 (N, 48, 48), and, for a task
        that learns it, what is known of each of them. All random draws come from the CPU
        `generator`, so that every device sees the same batches."""

    def loss(self, network: nn.Module, batch, progress: float) -> torch.Tensor:
        """The mean loss of a batch; `progress`, in [0, 1), is the fraction of training done."""


@dataclass(frozen=True)
class Reconstruction:
    """The paper's network learns to reproduce its input (paper, section "Training"); augmented:
    whether faces are flipped and rotated at random."""

    model: ModelConfig
    augmented: bool

    def build(self, seed: int) -> nn.Module:
        return autoencoder.build(self.model, seed)

    def batch(self, faces: torch.Tensor, generator: torch.Generator) -> tuple:
        """Network input and target, here the same: (N, 3, 96, 96) in [-1, 1]."""
        x = pipeline.training_batch(faces, generator, self.augmented)
        x = x.contiguous(memory_format=torch.channels_last)
        return x, x

    def loss(self, network: nn.Module, batch: tuple, progress: float) -> torch.Tensor:
        x, target = batch
        return F.mse_loss(network(x).float(), target)


@dataclass(frozen=True)
class Trained:
    """A trained network in eval mode, the record of its training, and its recipe's key.

    history: one dict per epoch: epoch, train_loss (mean over its images), seconds.
    gradients: one dict per epoch and layer: epoch, layer, depth, norm (mean over the steps)."""

    model: nn.Module
    history: list[dict]
    gradients: list[dict]
    key: str


def fit(
    task: Task, faces: np.ndarray, recipe: Recipe, start: Trained | None = None, *labels: np.ndarray
) -> Trained:
    """Train `task` on clean `faces`, uint8 (N, 48, 48), or load the training if it is finished in
    the work folder or published with a report.

    start: the finished training of `recipe.start`, for a warm start. labels: float32 (N, ...), what
    the task learns of each face beside its pixels. An interrupted training goes on after its last
    complete epoch. Raises UserError if the checkpoint is damaged or of other faces, and ValueError
    if `start` is another training."""
    if path := weights.index().get(recipe.key):
        return load(task, path)
    path = weights.checkpoint(recipe.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.parent / "lock"):
        run, whole = _Run(task, recipe, weights.digest(faces, *labels), start), False
        if found := weights.newest(recipe.key):
            *state, whole = found
            run.restore(*state)
        with device.threads(recipe.training.threads):
            _epochs(run, [torch.tensor(known) for known in (faces, *labels)], whole)
    return Trained(run.model.eval(), run.history, run.gradients, recipe.key)


def load(task: Task, path: Path) -> Trained:
    """The finished training of `task` in a published file, on the best device of this machine.
    Raises UserError for a damaged file."""
    tensors, facts = weights.load(path)
    model = task.build(0)
    model.load_state_dict(weights.nested("model", tensors))
    model = model.to(device.best()).eval()
    return Trained(model, facts["history"], facts["gradients"], facts["key"])


def _epochs(run: "_Run", examples: list[torch.Tensor], whole: bool) -> None:
    """Train the remaining epochs of `run` on faces and their labels; keep two checkpoints, the
    first if it is `whole`. The first `gradient_epochs` record each layer's gradient norm. Raises
    UserError for a NaN loss."""
    settings, done, path = run.settings, len(run.history), weights.checkpoint(run.recipe.key)
    if done == settings.epochs:
        return
    step, examples = run.step_function(), [known.to(run.device) for known in examples]
    count = len(examples[0])
    images = min(count, settings.epoch_images or count)
    steps = settings.epochs * -(-images // settings.batch_size)
    before = done * steps // settings.epochs
    with progress.Progress(f"training {run.recipe.key}", steps, before) as bar:
        for epoch in range(done + 1, settings.epochs + 1):
            start, total, norms = time.monotonic(), 0.0, []
            order = torch.randperm(count, generator=run.generator)[:images]
            for number, chosen in enumerate(order.split(settings.batch_size), 1):
                chosen = chosen.to(run.device)
                loss = step([known[chosen] for known in examples], bar.done / bar.total).item()
                if not math.isfinite(loss):
                    where = f"{run.recipe.key}: the loss of batch {number}, epoch {epoch}, is"
                    raise UserError(f"{where} {loss}: take a lower learning rate or float32")
                total += loss * len(chosen)  # the last batch may be smaller
                if epoch <= settings.gradient_epochs:
                    gradients = [layer.weight.grad for _, layer in layers(run.model)]
                    norms.append(torch.stack(torch._foreach_norm(gradients)).tolist())
                bar.advance(f"epoch {epoch}, loss {loss:.4f}")
            run.record(epoch, total / images, time.monotonic() - start, norms)
            noted = [epoch["seconds"] for epoch in run.history]
            files.write_text(weights.checkpoint(run.recipe.key, weights.SECONDS), json.dumps(noted))
            if whole:
                path.replace(weights.checkpoint(run.recipe.key, weights.PREVIOUS))
            weights.save(path, run.tensors(), **run.facts())
            whole = True


def layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """(name, layer) of convolutions and linear layers outside the skips, from input to output."""
    kinds = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
    return [(k, m) for k, m in model.named_modules() if isinstance(m, kinds) and ".skip" not in k]


class Adam:
    """Adam at its usual settings (Kingma & Ba, ICLR 2015), in one operation for all weights. That
    of torch.optim would first load PyTorch's compiler: 2.3 s, longer than a short training."""

    def __init__(self, parameters):
        self.parameters = list(parameters)
        moments = [[torch.zeros_like(p) for p in self.parameters] for _ in range(2)]
        steps = [torch.zeros((), device=p.device) for p in self.parameters]
        self.state = {"exp_avg": moments[0], "exp_avg_sq": moments[1], "step": steps}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step down the gradients of the parameters."""
        gradients = [parameter.grad for parameter in self.parameters]
        rows = zip(self.parameters, gradients, *self.state.values(), strict=True)
        learning = [row for row in rows if row[1] is not None]  # others stay as they are
        parameters, *state, steps = map(list, zip(*learning, strict=True))
        torch._foreach_add_(steps, 1)
        how = {"lr": rate, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
        torch._fused_adam_(parameters, *state, [], steps, **how, amsgrad=False, maximize=False)


class _Run:
    """All state of one training: what a checkpoint must hold, and nothing else."""

    def __init__(self, task: Task, recipe: Recipe, faces: str, start: Trained | None):
        self.task, self.recipe, self.settings, self.faces = task, recipe, recipe.training, faces
        self.device = device.best()
        if (start and start.key) != (recipe.start and recipe.start.key):
            raise ValueError(f"{recipe.key}: `start` is not the training of its recipe's start")
        network = task.build(recipe.seed)
        if start:
            network.load_state_dict(start.model.state_dict())
        self.model = network.to(self.device, memory_format=torch.channels_last).train()
        self.optimiser = Adam(self.model.parameters())
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.history, self.gradients = [], []

    def step_function(self):
        """A function (faces and labels, progress) -> loss that takes one optimiser step."""
        compiles = self.settings.compile and device.can_compile(self.device)
        forward = torch.compile(self.model) if compiles else self.model
        dtype = device.autocast_dtype(self.settings.precision, self.device)
        autocast = {"dtype": dtype, "enabled": dtype is not torch.float32}

        def step(examples: list[torch.Tensor], progress: float) -> torch.Tensor:
            self.model.zero_grad()
            faces, *labels = examples
            batch = self.task.batch(faces, self.generator, *labels)
            with torch.autocast(self.device.type, **autocast):
                loss = self.task.loss(forward, batch, progress)
            loss.backward()
            self.optimiser.step(self.rate(progress))
            return loss.detach()

        return step

    def rate(self, progress: float) -> float:
        """The learning rate: constant, or cosine decay from its full value to 0."""
        if self.settings.schedule == "constant":
            return self.settings.learning_rate
        return self.settings.learning_rate * (1 + math.cos(math.pi * progress)) / 2

    def record(self, epoch: int, loss: float, seconds: float, norms: list[list[float]]) -> None:
        self.history.append({"epoch": epoch, "train_loss": loss, "seconds": seconds})
        if norms:
            means = zip(layers(self.model), np.mean(norms, axis=0).tolist(), strict=True)
            for depth, ((name, _), norm) in enumerate(means, 1):
                self.gradients.append({"epoch": epoch, "layer": name, "depth": depth, "norm": norm})

    def tensors(self) -> dict[str, torch.Tensor]:
        named = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for name, state in self.optimiser.state.items():
            named |= {f"adam.{number}.{name}": tensor for number, tensor in enumerate(state)}
        return named | {"generator": self.generator.get_state()}

    def facts(self) -> dict:
        """The checkpoint's metadata: recipe, faces, versions, and the record of the training."""
        return {
            "key": self.recipe.key,
            "recipe": asdict(self.recipe),
            "faces": self.faces,
            "made_with": device.made_with(self.settings.precision),
            "history": [{k: v for k, v in e.items() if k != "seconds"} for e in self.history],
            "gradients": self.gradients,
        }

    def restore(self, tensors: dict[str, torch.Tensor], facts: dict) -> None:
        if facts["faces"] != self.faces:
            what = f"{self.recipe.key} was begun on other faces: delete its folder in work/models"
            raise UserError(f"{what}, and raise SPLIT_VERSION if the rule of the split has changed")
        self.model.load_state_dict(weights.nested("model", tensors))
        self.generator.set_state(tensors["generator"])
        for name, tensor in weights.nested("adam", tensors).items():
            number, of = name.split(".")
            self.optimiser.state[of][int(number)].copy_(tensor)
        self.history, self.gradients = facts["history"], facts["gradients"]

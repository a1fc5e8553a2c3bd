"""Checkpoints: one safetensors file each, nothing pickled, replaced atomically.

A training's folder is named after everything that made it: settings, seed, training images and
the code of the model, the input pipeline and the loop. Change one of them and it trains anew.
"""

import ast
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fer_lib.config import ROOT, WORK, UserError
from fer_lib.tools import files


def key(modules: Sequence[str], **ingredients) -> str:
    """A short hash of JSON-able ingredients and of the code of `modules` (comments aside)."""
    text = json.dumps(ingredients, sort_keys=True) + "".join(map(_code, modules))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def digest(array: np.ndarray) -> str:
    """SHA-256 of an array's values."""
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


def folder(name: str, modules: Sequence[str], **ingredients) -> Path:
    """Where the training `name` made of `ingredients` by the code of `modules` lives."""
    return WORK / "models" / f"{name}-{key(modules, **ingredients)}"


def published(name: str) -> Path | None:
    """The file with the weights of the training `name`, if they are published with a report."""
    return next((ROOT / "reports").glob(f"*/networks/{name}.safetensors"), None)


def save(path: Path, tensors: dict[str, torch.Tensor], **facts) -> None:
    """Write tensors and JSON-able facts to one file."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with files.replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"facts": json.dumps(facts)})


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """The tensors and facts of `save`. Raises UserError if the file is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
            return {name: file.get_tensor(name) for name in list(file.keys())}, facts
    except Exception as error:  # safetensors raises its own and built-in errors alike
        where = f"{path.parent.name}/{path.name}"
        raise UserError(f"{where} is damaged, delete it: {error}") from None


def nested(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose name starts with `prefix.`, without it."""
    start = prefix + "."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def _code(module: str) -> str:
    """The module's syntax tree without docstrings: reformatting or commenting keeps it."""
    tree = ast.parse((Path(__file__).parent / f"{module}.py").read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            body.pop(0)
    return ast.dump(tree)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)

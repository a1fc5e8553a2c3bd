"""What the hardware offers, asked at run time."""

import contextlib
import functools
from collections.abc import Iterator
from importlib.metadata import distributions

import torch


def best() -> torch.device:
    """CUDA if there, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def autocast_dtype(precision: str, where: torch.device) -> torch.dtype:
    """float32 or bfloat16 as asked for; "auto" is bfloat16 where the hardware multiplies it."""
    if precision == "auto":
        precision = "bfloat16" if _multiplies_bfloat16(where) else "float32"
    return getattr(torch, precision)


def made_with(precision: str) -> dict[str, str]:
    """What decides a training here besides its recipe: its precision, and packages' versions."""
    dtype = str(autocast_dtype(precision, best())).removeprefix("torch.")
    packages = ("torch", "deepinv")  # without "+cpu" and the like, which is no other code
    versions = {k: d.version.partition("+")[0] for k in packages for d in distributions(name=k)}
    return {"precision": dtype, **versions}


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads of torch on the CPU inside the block; 0 leaves their number as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@functools.cache
def can_compile(where: torch.device) -> bool:
    """Whether torch.compile works here: only trying tells, since there are compilers that torch
    does not take, that fail, or that know no OpenMP."""
    try:
        torch.compile(torch.sin)(torch.ones(1, device=where))
    except Exception:  # torch lets through whatever a compiler or Triton raises
        return False
    return where.type in ("cpu", "cuda")


def _multiplies_bfloat16(where: torch.device) -> bool:
    if where.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    have = torch.cpu.get_capabilities()  # without these it is emulated, at half float32's speed
    return where.type == "cpu" and bool(have.get("amx_bf16") or have.get("avx512_bf16"))

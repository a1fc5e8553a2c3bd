"""What `tests/benchmark.py` measures the library beside: what one would write or take instead."""

import contextlib
import importlib
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from fer_lib import autoencoder
from fer_lib.config import ModelConfig
from fer_lib.methods import filters
from fer_lib.tools import device


def plain_script(width: float, faces: np.ndarray) -> Callable[[], None]:
    """A step of all faces as a reader of the paper would write it: float32, pictures of PIL that
    torchvision transforms one by one in a DataLoader, a plain loop."""
    steps = [transforms.Grayscale(3), transforms.Resize((96, 96))]
    steps += [transforms.RandomHorizontalFlip(), transforms.RandomRotation(10)]
    steps += [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    data = Pictures([Image.fromarray(face) for face in faces], transforms.Compose(steps))
    loader = DataLoader(data, batch_size=len(faces), shuffle=True)
    network = autoencoder.build(ModelConfig(width=width), 0).to(device.best()).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)

    def epoch() -> None:
        for images in loader:
            images = images.to(device.best())
            optimiser.zero_grad()
            loss = F.mse_loss(network(images), images)
            loss.backward()
            optimiser.step()
            loss.item()

    return epoch


class Pictures(Dataset):
    """Pictures of PIL, each transformed when it is asked for."""

    def __init__(self, pictures: list[Image.Image], transform: Callable):
        self.pictures, self.transform = pictures, transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place: int) -> torch.Tensor:
        return self.transform(self.pictures[place])


def products(macs: int, dtype: torch.dtype) -> Callable[[], float]:
    """Seconds that so many multiplications with additions take in products of square matrices of
    the size that is fastest here: convolutions consist of them, and cannot be faster."""
    where = device.best()
    sides = {n: torch.randn(2, n, n, device=where).to(dtype) for n in (512, 1024, 2048)}

    def fastest() -> float:
        found = []
        for side, (a, b) in sides.items():
            start = time.perf_counter()
            (a @ b)[0, 0].item()  # which waits for a GPU
            found.append((time.perf_counter() - start) / side**3)
        return min(found) * macs

    return fastest


def denoisers(level: float) -> dict[str, tuple[Callable, tuple[float, ...]]]:
    """Other denoisers that are there: (image, strength) -> image, and the strengths to choose from,
    in units of the noise level."""
    nlm = filters.FILTERS["nlm"]

    def of_filters(name: str):
        return lambda image, strength: filters.FILTERS[name].denoise(image, level, strength)

    def with_opencv(image: np.ndarray, strength: float):
        gray = np.uint8(np.round(image * 255))
        return cv2.fastNlMeansDenoising(gray, None, 255 * level * strength) / np.float32(255)

    found = {"scikit-image's non-local means": (of_filters("nlm"), nlm.grid)}
    found["BM3D"] = of_filters("bm3d"), (1.0,)
    with contextlib.suppress(ImportError):
        cv2 = importlib.import_module("cv2")  # a guest: the project does not depend on it
        found["OpenCV's non-local means"] = with_opencv, nlm.grid
    return found

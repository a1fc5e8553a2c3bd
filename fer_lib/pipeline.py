"""From stored faces, uint8 (N, 48, 48), to network input, float32 (N, 3, 96, 96) in [-1, 1], and
back (paper, section "Data")."""

import torch
import torch.nn.functional as F

SIZE = 96
#: Largest angle of the augmentation in degrees (paper, section "Data").
ROTATION = 10.0


def to_unit(faces: torch.Tensor) -> torch.Tensor:
    """uint8 (N, H, W) -> float32 (N, 1, H, W) in [0, 1]."""
    return faces.unsqueeze(1).float() / 255


def resize(images: torch.Tensor, size: int = SIZE) -> torch.Tensor:
    """Bilinear resize of (N, C, H, W) to (N, C, size, size); halving is the mean of 2x2 pixels."""
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """[0, 1] -> [-1, 1] (mean 0.5, standard deviation 0.5)."""
    return images * 2 - 1


def denormalise(images: torch.Tensor) -> torch.Tensor:
    """[-1, 1] -> [0, 1], the inverse of `normalise`."""
    return (images + 1) / 2


def to_rgb(images: torch.Tensor) -> torch.Tensor:
    """(N, 1, H, W) -> (N, 3, H, W): the gray channel three times."""
    return images.expand(-1, 3, -1, -1)


def flip(images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Mirror the images (N, C, H, W) left to right where the boolean mask `chosen` (N,) is True."""
    return torch.where(chosen[:, None, None, None], images.flip(-1), images)


def rotate(images: torch.Tensor, degrees: torch.Tensor) -> torch.Tensor:
    """Rotate square image i of (N, C, H, H) in [0, 1] counter-clockwise by the angle `degrees[i]`;
    nearest neighbours and black corners are the defaults of torchvision's RandomRotation."""
    angle = torch.deg2rad(degrees)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    theta = torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="nearest", align_corners=False)


def training_batch(
    faces: torch.Tensor, generator: torch.Generator, augmented: bool
) -> torch.Tensor:
    """uint8 (N, 48, 48) -> network input (N, 3, 96, 96) in [-1, 1], in the paper's order: resize,
    random flip, random rotation (both only if `augmented`), normalise. `generator` is on the CPU,
    so that every device of `faces` sees the same batches."""
    images = resize(to_unit(faces))
    if augmented:
        chosen = torch.rand(len(faces), generator=generator) < 0.5
        degrees = (torch.rand(len(faces), generator=generator) * 2 - 1) * ROTATION
        images = rotate(flip(images, chosen.to(faces.device)), degrees.to(faces.device))
    return to_rgb(normalise(images))

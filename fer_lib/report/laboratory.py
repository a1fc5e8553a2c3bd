"""The page on which readers try two networks on pictures of their own. `template/laboratory.js`
computes in the browser; written here is what it cannot know: weights and pictures."""

import base64
from pathlib import Path

import numpy as np
import skimage
import torch
from nbformat.v4 import new_notebook
from torch import nn

from fer_lib.methods import lessons, plans
from fer_lib.readers import ferplus
from fer_lib.report import html
from fer_lib.study import Study
from fer_lib.tools import files

#: Parameters of the largest network with which the page stays below 8 MB.
MOST = 3_900_000


def write(study: Study, page: Path, **resources) -> None:
    """Write the page. resources: title, nav and banner, as of `html.render`."""
    schedule = plans.PLANS[study.settings.profile].named["compact"]
    recipe = plans.recipe(schedule, study.settings, study.faces.checksum)
    models = {"compact": lessons.train(study, recipe).model}
    models["cae"] = study.trained("cae", study.settings.seed).model
    sizes = {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}
    networks = {name: record(models[name]) for name, size in sizes.items() if size <= MOST}
    resources |= {"renderer": html.Renderer(escape=False), "page": page.name, "sizes": sizes}
    resources |= {"data": {"networks": networks, "pictures": pictures(study)}, "study": study}
    template = html.exporter().environment.get_template("laboratory.html.j2")
    files.write_text(page, template.render(nb=new_notebook(), resources=resources))


def pictures(study: Study) -> list[str]:
    """48x48 bytes each, in base64: scikit-image's astronaut, test faces (FER+: if SHOWN)."""
    astronaut = skimage.data.astronaut()[:192, 128:320] @ (0.299, 0.587, 0.114)
    images, rows = study.side("test")
    named = np.flatnonzero(rows["id"].isin(ferplus.SHOWN))  # of FER+ no others may be shown
    some = named if study.faces.name == "ferplus" else np.linspace(0, len(rows) - 1, 11).astype(int)
    shown = (astronaut.reshape(48, 4, 48, 4).mean(axis=(1, 3)), *images[some])
    return [base64.b64encode(np.uint8(image)).decode() for image in shown]


def record(model: nn.Module, *, floats: bool = False) -> dict:
    """A network as laboratory.js reads it: weights in 8 bits or, for tests, in `floats`."""
    layers, weights, numbers, modules = [], [], [], dict(model.cpu().named_modules())
    for name, layer in modules.items():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            if isinstance(norm := modules.get(name.replace("conv", "norm")), nn.BatchNorm2d):
                layer = nn.utils.fuse_conv_bn_eval(layer, norm)
            weight = layer.weight.detach().transpose(0, int(layer.transposed))  # outputs first
            scale = weight.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-30) / 127
            bias = torch.zeros(len(weight)) if layer.bias is None else layer.bias.detach()
            layers.append([name, layer.transposed, layer.stride[0], *weight.shape[:3]])
            weights.append((weight if floats else (weight / scale).round().char()).numpy().ravel())
            numbers += [scale.numpy().ravel(), bias.numpy()]
    raw, rest = (base64.b64encode(np.concatenate(some)).decode() for some in (weights, numbers))
    return {"layers": layers, "floats": floats, "weights": raw, "numbers": rest}

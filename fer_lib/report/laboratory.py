"""The page on which readers try networks on pictures of their own. `template/laboratory.js`
computes in the browser; written here is what it cannot know: weights and pictures."""

import base64
import zlib
from pathlib import Path

import numpy as np
import skimage
import torch
from nbformat.v4 import new_notebook
from torch import nn

from fer_lib.methods import lessons, plans
from fer_lib.readers import READERS, ferplus
from fer_lib.recognition import plan, recogniser
from fer_lib.report import html
from fer_lib.study import Study
from fer_lib.tools import files

#: Parameters of the largest network with which the page stays below 8 MB.
MOST = 3_900_000
#: Of weights as whole numbers, the largest; a recogniser needs fewer steps.
STEPS = {"recogniser": 31}


def write(study: Study, page: Path, **resources) -> None:
    """Write the page. resources: title, nav and banner, as of `html.render`."""
    schedule = plans.PLANS[study.settings.profile].named["compact"]
    recipe = plans.recipe(schedule, study.settings, study.faces.checksum)
    models = {"compact": lessons.train(study, recipe).model}
    models["cae"] = study.trained("cae", study.settings.seed).model
    if READERS[study.faces.name].votes:
        recipe = plan.recogniser(study.settings, study.faces.checksum, "clean")
        models["recogniser"] = recogniser.train(study, recipe).model
    sizes = {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}
    small = [name for name, size in sizes.items() if size <= MOST]
    networks = {name: record(models[name], steps=STEPS.get(name, 127)) for name in small}
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


def record(model: nn.Module, *, floats: bool = False, steps: int = 127) -> dict:
    """A network as laboratory.js reads it: weights as whole numbers up to `steps`, compressed, or,
    for tests, in `floats`. A linear layer is a convolution of one pixel."""
    layers, weights, numbers, modules = [], [], [], dict(model.cpu().named_modules())
    for name, layer in modules.items():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            stem, _, place = name.rpartition(".")  # its batch norm has its number, or comes next
            after = f"{stem}.{int(place) + 1}" if place.isdigit() else name.replace("conv", "norm")
            if isinstance(norm := modules.get(after), nn.BatchNorm2d):
                layer = nn.utils.fuse_conv_bn_eval(layer, norm)
            turned, stride = getattr(layer, "transposed", False), getattr(layer, "stride", (1,))[0]
            weight = layer.weight.detach().transpose(0, int(turned))  # outputs first
            weight = weight[..., None, None] if weight.ndim == 2 else weight
            scale = weight.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-30) / steps
            bias = torch.zeros(len(weight)) if layer.bias is None else layer.bias.detach()
            layers.append([name, turned, stride, *weight.shape[:3]])
            weights.append((weight if floats else (weight / scale).round().char()).numpy().ravel())
            numbers += [scale.numpy().ravel(), bias.numpy()]
    raw = np.concatenate(weights).tobytes()
    raw = base64.b64encode(raw if floats else zlib.compress(raw, 9)).decode()
    rest = base64.b64encode(np.concatenate(numbers)).decode()
    return {"layers": layers, "floats": floats, "weights": raw, "numbers": rest}

"""The laboratory computes in JavaScript what the library does: noise, filters, SSIM, networks."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage
import torch
from bs4 import BeautifulSoup

from fer_lib import autoencoder, config, data, denoise, evaluation, metrics, pipeline, training
from fer_lib.methods import lessons, networks
from fer_lib.noise import PROTOCOLS
from fer_lib.readers import ferplus
from fer_lib.recognition import recogniser
from fer_lib.recognition.plan import RecogniserConfig
from fer_lib.recognition.recogniser import Recogniser
from fer_lib.report import laboratory
from fer_lib.tools import weights
from tests.report.browser import Browser, needs_chromium

SCRIPT = Path(laboratory.__file__).parent / "template" / "laboratory.js"
NODE = shutil.which("node")
CAMERA = PROTOCOLS["camera noise"]
needs_node = pytest.mark.skipif(not NODE, reason="node is not installed")


def node(folder, code: str, **given):
    """What `code` returns in node, with laboratory.js as L, and `given` as variables."""
    (folder / "data.json").write_text(json.dumps(given))
    (folder / "main.js").write_text(
        f"const L = require({json.dumps(str(SCRIPT))});\n"
        "const data = JSON.parse(require('fs').readFileSync(process.argv[2]));\n"
        "const floats = list => list.map(one => Float32Array.from(one));\n"
        f"const run = ({{{', '.join(given)}}}) => {{ {code} }};\n"
        "const plain = (_, v) => ArrayBuffer.isView(v) ? [...v] : v;\n"
        "Promise.resolve(run(data)).then(x => console.log(JSON.stringify(x, plain)));\n"
    )
    command = [NODE, str(folder / "main.js"), str(folder / "data.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert not done.stderr
    return json.loads(done.stdout)


def flat(images: torch.Tensor) -> list[list[float]]:
    return images.reshape(len(images), -1).tolist()


@pytest.fixture(scope="module")
def clean(pictures) -> torch.Tensor:
    return pipeline.to_unit(torch.tensor(pictures[:20]))


@pytest.fixture(scope="module")
def noisy(clean) -> torch.Tensor:
    levels = (0.0, 0.15, 0.3, 0.5, 0.8)
    some = [CAMERA.corrupt(one[None], levels[i % 5], [i], 1) for i, one in enumerate(clean)]
    return torch.cat(some)


def paper_network(width: float) -> autoencoder.CAE:
    """The paper's network, not trained, with batch norms that do something and weights that carry
    a picture through to the output."""
    model = autoencoder.build(config.ModelConfig(width=width), 1)
    random = torch.Generator().manual_seed(2)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values in (module.running_mean, module.running_var, module.weight.data):
                values.copy_(torch.rand(values.shape, generator=random) + 0.5)
            module.bias.data.fill_(0.5)
        elif isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            module.weight.data *= 2.5
    return model.eval()


def published_cae() -> autoencoder.CAE:
    recipes = {path: weights.header(path)["recipe"] for path in weights.index().values()}
    path = next(path for path, recipe in recipes.items() if recipe["network"] == "cae")
    model = config.ModelConfig(**recipes[path]["model"])
    return training.load(training.Reconstruction(model, False), path).model


def published_recogniser() -> torch.nn.Module:
    recipes = {path: weights.header(path)["recipe"] for path in weights.index().values()}
    path = next(path for path, recipe in recipes.items() if recipe["network"] == "recogniser-clean")
    model = RecogniserConfig(**recipes[path]["model"])
    return training.load(recogniser.Recognition(model), path).model


FORWARD = (
    "const net = new L.Network(record, plain); return floats(noisy).map(x => L[name](net, x));"
)


@needs_node
def test_compact_in_floats_is_denoise(noisy, tmp_path):
    record = laboratory.record(denoise.published("compact"), floats=True)
    given = {"record": record, "noisy": flat(noisy), "plain": False, "name": "denoise"}
    wanted = flat(denoise.denoise(noisy[:, 0], "compact"))
    np.testing.assert_allclose(node(tmp_path, FORWARD, **given), wanted, atol=1e-5)


@needs_node
@pytest.mark.parametrize("width", [1 / 16, 3 / 32, "published"])
def test_the_papers_network_in_floats_is_that_of_camera_noise(noisy, tmp_path, width):
    model = published_cae() if width == "published" else paper_network(width)
    wanted = flat(evaluation.network(model)(noisy, CAMERA, 0))
    assert np.std(wanted, axis=1).min() > 0.001
    assert np.std(wanted, axis=0).max() > 0.001
    given = {"record": laboratory.record(model, floats=True), "noisy": flat(noisy)}
    result = node(tmp_path, FORWARD, plain=False, name="autoencoder", **given)
    np.testing.assert_allclose(result, wanted, atol=1e-5)


@pytest.fixture(scope="module")
def named(noisy) -> torch.nn.Module:
    """A recogniser, not trained, whose batch norms have seen pictures."""
    model = recogniser.Recognition(RecogniserConfig()).build(1)
    with torch.no_grad():
        for _ in range(30):
            model(noisy)
        model[-1].weight *= 20
    return model.eval()


@needs_node
def test_the_recogniser_in_floats_is_that_of_chapter_9(noisy, named, tmp_path):
    given = {"record": laboratory.record(named, floats=True), "noisy": flat(noisy)}
    wanted = recogniser.probabilities(named, noisy).numpy()
    assert wanted.std(axis=0).max() > 0.01
    result = node(tmp_path, FORWARD, plain=False, name="recognise", **given)
    np.testing.assert_allclose(result, wanted, atol=1e-5)
    assert node(tmp_path, "return L.EMOTIONS;") == list(ferplus.EMOTIONS)


@needs_node
def test_what_is_compressed_is_what_it_was(noisy, named, tmp_path):
    """In node as in a browser: 6-bit numbers, inflated, then the network."""
    record = laboratory.record(named, steps=31)
    code = "return L.unpack({x: record}).then(nets => noisy.map(x => L.recognise(nets.x, x)));"
    result = node(tmp_path, code, record=record, noisy=flat(noisy[:4]))
    wanted = recogniser.probabilities(named, noisy[:4]).numpy()
    np.testing.assert_allclose(result, wanted, atol=0.05)


@needs_node
def test_six_bits_cost_the_published_recogniser_little(tmp_path, work):
    """On ORL's faces, which it has not learnt from: the same word for at least 19 of 20."""
    model = published_recogniser()
    clean = pipeline.to_unit(torch.tensor(data.load().images[::10][:40]))
    code = "return L.unpack({x: record}).then(nets => clean.map(x => L.recognise(nets.x, x)));"
    record = laboratory.record(model, steps=laboratory.STEPS["recogniser"])
    ours = np.array(node(tmp_path, code, record=record, clean=flat(clean)))
    wanted = recogniser.probabilities(model, clean).numpy()
    assert (ours.argmax(axis=1) == wanted.argmax(axis=1)).mean() >= 0.95
    assert np.abs(ours - wanted).mean() < 0.02


@needs_node
def test_without_vectors_the_networks_are_the_same(noisy, tmp_path):
    compact = networks.build("compact-small", 3).eval()
    wanted = flat(evaluation.network(compact)(noisy[:2], networks.GRAY, 0))
    given = {"record": laboratory.record(compact, floats=True), "noisy": flat(noisy[:2])}
    result = node(tmp_path, FORWARD, plain=True, name="compact", **given)
    np.testing.assert_allclose(result, wanted, atol=1e-5)
    other = paper_network(1 / 16)
    wanted = flat(evaluation.network(other)(noisy[:2], CAMERA, 0))
    given["record"] = laboratory.record(other, floats=True)
    result = node(tmp_path, FORWARD, plain=True, name="autoencoder", **given)
    np.testing.assert_allclose(result, wanted, atol=1e-5)


@needs_node
def test_ssim_is_that_of_the_tables(clean, noisy, tmp_path):
    code = "const c = floats(clean); return floats(noisy).map((x, i) => L.ssim(x, c[i]));"
    result = node(tmp_path, code, clean=flat(clean), noisy=flat(noisy))
    wanted = metrics.ssim(noisy, clean, 1.0).tolist()
    assert min(wanted) < 0.5
    np.testing.assert_allclose(result, wanted, atol=1e-5)


@needs_node
def test_filters_are_those_of_scipy(clean, noisy, tmp_path):
    code = """const [x] = floats([noisy[3]]), [c] = floats([clean[3]]);
    const best = [L.best(L.blur, L.SIGMAS, x, c), L.best(L.median, L.SIZES, x, c)];
    return {blur: L.SIGMAS.map(s => L.blur(x, s)), median: L.SIZES.map(s => L.median(x, s)),
            sigmas: L.SIGMAS, sizes: L.SIZES, best: best.map(({strength}) => strength)};"""
    result = node(tmp_path, code, clean=flat(clean), noisy=flat(noisy))
    image, reference = noisy[3, 0].numpy().astype(float), clean[3:4]
    for name, strengths, function, best in (
        ("blur", "sigmas", scipy.ndimage.gaussian_filter, result["best"][0]),
        ("median", "sizes", scipy.ndimage.median_filter, result["best"][1]),
    ):
        wanted = np.stack([function(image, strength) for strength in result[strengths]])
        ours = np.reshape(result[name], wanted.shape)
        np.testing.assert_allclose(ours, wanted, atol=1e-6)
        outputs = torch.tensor(wanted).unsqueeze(1)
        scores = metrics.ssim(outputs, reference.expand_as(outputs), 1.0)
        assert best == result[strengths][scores.argmax()]


@needs_node
def test_noise_is_what_it_says_and_grows_with_its_level(tmp_path):
    code = """const gray = new Float32Array(48 * 48).fill(0.5), noise = {};
    for (const [name, levels] of Object.entries(asked))
      noise[name] = levels.map(level => L.corrupt(gray, name, level, 1));
    const [again, other] = [1, 2].map(seed => L.corrupt(gray, "gaussian", 0.1, seed));
    return {...noise, again, other};"""
    asked = {
        "gaussian": (0, 0.1),
        "speckle": (0, 0.2),
        "poisson": (100, 25),
        "salt-and-pepper": (0, 0.1, 0.4),
    }
    result = node(tmp_path, code, asked=asked)
    noise = {name: np.array(value) for name, value in result.items()}
    for name, deviations in {
        "gaussian": (0, 0.1),
        "speckle": (0, 0.1),
        "poisson": (0.005**0.5, 0.02**0.5),
    }.items():
        for values, deviation in zip(noise[name], deviations, strict=True):
            assert values.std() == pytest.approx(deviation, rel=0.05)
            assert values.mean() == pytest.approx(0.5, abs=0.01)
    none, few, many = noise["salt-and-pepper"] != 0.5
    assert not none.any()
    assert few.mean() == pytest.approx(0.1, abs=0.02)
    assert many.mean() == pytest.approx(0.4, abs=0.03)
    assert many[few].all()
    assert np.array_equal(noise["again"], noise["gaussian"][1])
    independent = np.corrcoef(noise["again"], noise["other"])[0, 1]
    assert abs(independent) < 0.1


@needs_node
def test_a_readers_picture_becomes_the_mean_gray_of_its_squares(tmp_path):
    rgba = np.random.default_rng(1).integers(0, 256, (144, 144, 4))
    result = node(tmp_path, "return L.shrink(rgba, 144);", rgba=rgba.ravel().tolist())
    gray = rgba[:, :, :3] @ (0.299, 0.587, 0.114) / 255
    wanted = gray.reshape(48, 3, 48, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(np.reshape(result, (48, 48)), wanted, atol=1e-5)


def write(folder, monkeypatch, pictures, cae, compact, ids=range(24), name="orl"):
    """The page of a made study, and what of it is in HTML."""
    monkeypatch.setattr(lessons, "train", lambda study, recipe: SimpleNamespace(model=compact))
    small = Recogniser(RecogniserConfig()).eval()
    monkeypatch.setattr(recogniser, "train", lambda study, recipe: SimpleNamespace(model=small))
    study = SimpleNamespace(
        settings=config.load("cpu"),
        faces=SimpleNamespace(name=name, checksum="5afe"),
        side=lambda name: {"test": (pictures, pd.DataFrame({"id": list(ids)}))}[name],
        trained=lambda network, seed: SimpleNamespace(model={"cae": cae}[network]),
    )
    nav = [("06 References", "06_references.html")]
    page = folder / "laboratory.html"
    laboratory.write(study, page, title="Try it <yourself>", nav=nav, banner="")
    return page, BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture
def small(tmp_path, monkeypatch, pictures):
    models = paper_network(1 / 32), networks.build("compact-small", 3)
    return write(tmp_path, monkeypatch, pictures, *models)[1]


def test_the_page_loads_nothing_and_forbids_it(small):
    assert not small.select("script[src], iframe, link[rel=stylesheet]")
    assert all(tag["href"] == "data:," for tag in small("link"))
    (rule,) = small.select("meta[http-equiv=Content-Security-Policy]")
    allowed = dict(part.split(" ", 1) for part in rule["content"].split("; "))
    assert allowed["default-src"] == "'none'"
    assert "connect-src" not in allowed
    assert "nothing is sent" in small.select_one(".lead").get_text()
    assert "JavaScript" in small.noscript.get_text()
    assert SCRIPT.read_text(encoding="utf-8").strip() in small.select_one("#compute").string


def test_every_control_has_a_label_and_every_heading_its_place(small):
    form = small.select_one("form.lab")
    assert form.has_attr("hidden")
    for control in form("input"):
        assert control.find_parent("label").get_text(strip=True) or control["type"] == "range"
    assert all(group.legend.get_text() for group in form("fieldset"))
    assert len(form.select("canvas[role=img][aria-label]")) == 6
    assert [head.name for head in small(["h1", "h2", "h3"])] == ["h1", "h2", "h2"]
    assert small.title.string == "Try it <yourself>"


def test_of_ferplus_only_the_named_faces_are_shown(tmp_path, monkeypatch, pictures):
    models = paper_network(1 / 32), networks.build("compact-small", 3)

    def shown(ids, name):
        soup = write(tmp_path, monkeypatch, pictures, *models, ids, name)[1]
        texts = json.loads(soup.select_one("#data").string)["pictures"]
        return [np.frombuffer(base64.b64decode(text), np.uint8) for text in texts]

    named = list(ferplus.SHOWN)
    chosen = shown([*range(24 - len(named)), *named], "ferplus")
    assert np.array_equal(chosen[1:], pictures[-len(named) :].reshape(len(named), -1))
    (astronaut,) = shown(range(24), "ferplus")  # another split: none of them is tested
    assert np.array_equal(astronaut, chosen[0])
    assert 60 < astronaut.mean() < 200
    assert len(shown(range(24), "orl")) == len(chosen) == 12


def test_a_network_too_large_for_a_page_is_left_out(tmp_path, monkeypatch, pictures):
    monkeypatch.setattr(laboratory, "MOST", 1_000_000)
    models = paper_network(1 / 8), networks.build("compact-small", 3)
    soup = write(tmp_path, monkeypatch, pictures, *models)[1]
    assert list(json.loads(soup.select_one("#data").string)["networks"]) == ["compact"]
    assert "too large for a page" in soup.select_one("[data-method=cae]").get_text()
    assert "3.8 million weights" in soup.main.get_text()


READY = "document.querySelector('.lab')?.dataset.state === 'ready'"
COST = """unpack(records.networks).then(networks => noisy.map((x, i) =>
  [["compact", denoise], ["cae", autoencoder]].map(
    ([name, run]) => ssim(run(networks[name], Float32Array.from(x)), Float32Array.from(clean[i])))
))"""


@pytest.mark.slow
@needs_chromium
def test_in_a_browser_from_a_file(tmp_path, monkeypatch, pictures, work):
    """The published networks in 8 bits cost no more than the page says; it asks for nothing."""
    cae, compact = published_cae(), denoise.published("compact")
    page, _ = write(tmp_path, monkeypatch, pictures, cae, compact)
    assert page.stat().st_size <= 8_000_000
    clean = pipeline.to_unit(torch.tensor(data.load().images[::20][:20]))  # ORL
    noisy = CAMERA.corrupt(clean, 0.3, range(20), 1)
    with Browser(tmp_path / "profile") as browser:
        browser.open(page)
        browser.wait(READY)
        first = browser.evaluate("document.querySelector('.told').textContent")
        assert "SSIM" in first
        browser.evaluate(f"var noisy = {flat(noisy)}, clean = {flat(clean)}")
        ours = np.array(browser.evaluate(COST))
        outputs = (
            denoise.denoise(noisy, "compact", axes="HW"),
            evaluation.network(cae)(noisy, CAMERA, 0),
        )
        wanted = np.stack([metrics.ssim(output, clean, 1.0) for output in outputs], axis=1)
        assert np.abs((ours - wanted).mean(axis=0)).max() <= 0.0005
        assert np.abs(ours - wanted).max() <= 0.005

        # By keyboard: the slider, from the keys alone.
        browser.evaluate("delete form.dataset.state, slider.focus()")
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight")
        browser.call("Input.dispatchKeyEvent", type="keyDown", windowsVirtualKeyCode=39)
        browser.wait(READY)
        assert browser.evaluate("document.querySelector('.told').textContent") != first

        for width in (390, 1280):
            browser.size(width)
            assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")

        browser.call("Page.addScriptToEvaluateOnNewDocument", source="delete globalThis.Worker")
        browser.call("Page.reload")
        browser.wait("typeof Worker === 'undefined' && " + READY)
        assert browser.evaluate("document.querySelector('.told').textContent") == first
    assert all(url.startswith(("file://", "blob:")) for url in browser.sent())
    assert not browser.complaints()

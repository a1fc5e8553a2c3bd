"""A training is found by the key in its file, wherever that lies and whatever it is called."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from docs import publish
from fer_lib import config
from fer_lib.config import UserError
from fer_lib.tools import weights

KEY = "cae-0123456789ab"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    """A project of its own, with reports apart from it as $FER_REPORTS would have them."""
    monkeypatch.setattr(weights, "ROOT", tmp_path / "project")
    for module in (weights, publish):
        monkeypatch.setattr(module, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(weights, "WORK", tmp_path / "work")
    monkeypatch.delenv("FER_NETWORKS", raising=False)
    return tmp_path


def facts(key: str = KEY, epochs: int = 2, done: int = 2) -> dict:
    history = [{"epoch": n + 1, "train_loss": 0.1 + 0.2} for n in range(done)]
    return {"key": key, "recipe": {"training": {"epochs": epochs}}, "history": history}


def tensors() -> dict[str, torch.Tensor]:
    return {
        "model.conv.weight": torch.full((2, 1, 3, 3), 1 / 3),
        "model.conv.bias": torch.full((2,), 1 / 3),
        "adam.0.step": torch.tensor(7.0),
        "generator": torch.arange(5, dtype=torch.uint8),
    }


def begun(**changes) -> Path:
    """A training in the work folder."""
    written = facts(**changes)
    path = weights.checkpoint(written["key"])
    weights.save(path, tensors(), **written)
    return path


def put(folder: Path, name: str = KEY, key: str | None = KEY) -> Path:
    """A published file in a folder, with the key in it if it has one."""
    path = folder / f"{name}.safetensors"
    weights.save(path, {"model.a": torch.ones(1)}, **({"key": key} if key else {}))
    return path


# One file


def test_tensors_and_facts_come_back_as_they_were_saved(tmp_path):
    saved = {
        "a.b": torch.randn(3, 4, 5, 6).contiguous(memory_format=torch.channels_last),
        "a.c": torch.tensor(7, dtype=torch.int64),
        "ab": torch.arange(5, dtype=torch.uint8),
        "a.d": torch.ones(2, requires_grad=True),
    }
    written = {"history": [{"loss": 0.1 + 0.2}], "none": None}
    weights.save(tmp_path / "x" / "file.safetensors", saved, **written)
    loaded, read = weights.load(tmp_path / "x" / "file.safetensors")
    assert read == written == weights.header(tmp_path / "x" / "file.safetensors")
    assert loaded.keys() == saved.keys()
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)
    assert weights.nested("a", loaded).keys() == {"b", "c", "d"}


def test_a_file_holds_tensors_and_json_and_nothing_pickled():
    content = begun().read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    written = json.loads(header.pop("__metadata__")["facts"])
    assert len(written.pop("sha256")) == 64
    assert written == facts()
    sizes = [np.ptp(entry["data_offsets"]) for entry in header.values()]
    assert sum(sizes) == len(content) - 8 - length


def test_a_save_that_is_interrupted_leaves_the_file_before(monkeypatch):
    path = begun(done=1)
    before = path.read_bytes()

    original = Path.write_bytes

    def cut_short(path, content):
        original(path, content[: len(content) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", cut_short)
    with pytest.raises(KeyboardInterrupt):
        begun(done=2)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


DAMAGES = {
    "empty": lambda content: b"",
    "cut very short": lambda content: content[:4],
    "cut in the header": lambda content: content[:50],
    "garbage": lambda content: b"\xff" * len(content),
    "no JSON": lambda content: content[:9] + b"!" + content[10:],
    "no words": lambda content: content[:9] + b"\xff" + content[10:],
    "a list for a header": lambda content: struct.pack("<Q", 2) + b"[]",
    "no facts": lambda content: content.replace(b'"facts"', b'"fakts"'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("read", [weights.header, weights.load])
def test_a_damaged_file_is_named_in_one_line(tmp_path, damage, read):
    path = begun()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError) as error:
        read(path)
    message = str(error.value)
    assert f"{KEY}/checkpoint.safetensors is damaged, delete it: " in message
    assert "\n" not in message
    assert str(tmp_path) not in message


@pytest.mark.parametrize("lost", [1, 100])
def test_a_file_cut_amid_its_tensors_is_named_in_one_line(lost):
    path = begun()
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(UserError, match=r"^[^\n]*checkpoint.safetensors is damaged, delete it: "):
        weights.load(path)


def crafted(entries, data: bytes = b"", length: int | None = None) -> bytes:
    """A file with these entries besides its facts, a dict or the text of one; length: of the header
    as the file states it."""
    text = entries if isinstance(entries, str) else json.dumps(entries)[1:-1]
    header = '{"__metadata__": {"facts": "{}"}, ' + text + "}"
    size = len(header.encode()) if length is None else length
    return struct.pack("<Q", size) + header.encode() + data


def entry(start: int, end: int, *shape: int, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


#: Each with all else in order, so that nothing but the attack is refused.
ATTACKS = {
    "1 a header longer than the file": crafted({"a": entry(0, 16, 2, 2)}, b"\0" * 16, length=1000),
    "1 a header of 2**64 - 1 bytes": crafted(
        {"a": entry(0, 16, 2, 2)}, b"\0" * 16, length=2**64 - 1
    ),
    "1 a header of no bytes": crafted({"a": entry(0, 16, 2, 2)}, b"\0" * 16, length=0),
    "1 half a length": b"<\0\0\0",
    "1 a length alone": b"<\0\0\0\0\0\0\0",
    "2 many entries on the same bytes": crafted(
        {f"weight_{n}": entry(0, 160_000, 200, 200) for n in range(10_000)}, b"\0" * 160_000
    ),
    "3 offsets beyond the file": crafted({"a": entry(16, 32, 2, 2)}, b"\0" * 16),
    "3 offsets below zero": crafted({"a": entry(-16, 0, 2, 2)}, b"\0" * 16),
    "3 an end before its start": crafted({"a": entry(16, 0, 2, 2)}, b"\0" * 16),
    "3 offsets of 2**64": crafted({"a": entry(0, 2**64, 2, 2)}, b"\0" * 16),
    "4 two entries that overlap": crafted(
        {"a": entry(0, 16, 2, 2), "b": entry(8, 24, 2, 2)}, b"\0" * 24
    ),
    "4 a hole between entries": crafted(
        {"a": entry(0, 16, 2, 2), "b": entry(20, 36, 2, 2)}, b"\0" * 36
    ),
    "4 a hole before all entries": crafted({"a": entry(4, 20, 2, 2)}, b"\0" * 20),
    "4 bytes after all entries": crafted({"a": entry(0, 16, 2, 2)}, b"\0" * 16 + b"PK\3\4"),
    "4 fewer bytes than the entries": crafted({"a": entry(0, 16, 2, 2)}, b"\0" * 14),
    "5 a shape too small": crafted({"a": entry(0, 16, 2)}, b"\0" * 16),
    "5 a shape too large": crafted({"a": entry(0, 4, 2, 2)}, b"\0" * 4),
    "5 a type too wide": crafted({"a": entry(0, 16, 2, 2, dtype="F64")}, b"\0" * 16),
    "5 a shape that overflows": crafted({"a": entry(0, 16, 2, 2**64 - 2)}, b"\0" * 16),
    "5 bytes that overflow": crafted({"a": entry(0, 16, 2, 2**63 - 1)}, b"\0" * 16),
    "5 a side below zero": crafted({"a": entry(0, 16, -2, -2)}, b"\0" * 16),
    "5 an unknown type": crafted({"a": entry(0, 16, 2, 2, dtype="O")}, b"\0" * 16),
    "7 a name twice": crafted(
        f'"a": {json.dumps(entry(0, 4, 1))}, "a": {json.dumps(entry(0, 8, 2))}', b"\0" * 8
    ),
    "7 an entry without offsets": crafted({"a": {"dtype": "F32", "shape": [1]}}),
    "7 an entry that is a list": crafted({"a": [0, 4]}, b"\0" * 4),
    "7 half offsets": crafted({"a": entry(0, 16, 2, 2) | {"data_offsets": [0, 15.5]}}, b"\0" * 16),
    "7 brackets without end": crafted('"a": ' + "[" * 100_000),
    "7 a header that is not JSON": struct.pack("<Q", 1) + b"{",
    "7 a header that is not UTF-8": struct.pack("<Q", 1) + b"\xff",
}


@pytest.mark.parametrize("content", ATTACKS.values(), ids=ATTACKS)
def test_each_published_attack_is_refused_in_one_line(tmp_path, content):
    """The proposals of huggingface/safetensors, attacks/README.md, by their numbers there, with the
    refusals that its own tests have (safetensors/src/tensor.rs). Not among them: 6, somebody who
    may write into the file while it is read."""
    path = tmp_path / KEY / "checkpoint.safetensors"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        weights.load(path)
    message = str(error.value)
    assert message.startswith(f"{KEY}/checkpoint.safetensors is damaged, delete it: ")
    assert "\n" not in message
    assert len(message) < 400


def test_a_crafted_file_without_an_attack_is_read(tmp_path):
    path = tmp_path / "file.safetensors"
    path.write_bytes(crafted({"a": entry(0, 16, 2, 2), "b": entry(16, 16, 2, 0)}, b"\0" * 16))
    loaded, read = weights.load(path)
    assert (loaded["a"].tolist(), loaded["b"].shape, read) == ([[0, 0], [0, 0]], (2, 0), {})


def test_a_missing_file_is_told_without_the_folders_of_this_machine(tmp_path):
    with pytest.raises(UserError) as error:
        weights.header(tmp_path / "folder" / "none.safetensors")
    assert "folder/none.safetensors" in str(error.value)
    assert str(tmp_path) not in str(error.value)


def test_what_plans_a_run_loads_neither_torch_nor_numpy(project):
    path = put(project / "given")
    code = (
        "import sys; from pathlib import Path; from fer_lib.tools import weights;"
        "print(weights.header(Path(sys.argv[1]))['key'], *weights.index(), weights.finished('x'),"
        "      *{'torch', 'numpy', 'safetensors'} & set(sys.modules))"
    )
    environment = {"FER_NETWORKS": str(path.parent), "FER_REPORTS": str(project / "none")}
    command, options = [sys.executable, "-c", code, str(path)], {"capture_output": True}
    done = subprocess.run(
        command, cwd=config.ROOT, env=environment, check=True, text=True, **options
    )
    first, *keys, finished = done.stdout.split()
    assert (first, finished) == (KEY, "False")
    assert KEY in keys


# Which training lies where


def test_a_file_renamed_by_hand_is_found_by_its_key(project):
    path = put(project / "reports" / "ferplus-cpu" / "networks", name="my favourite")
    assert weights.index() == {KEY: path}


def test_the_key_in_a_file_counts_not_its_name(project):
    put(project / "reports" / "orl-quick" / "networks", name=KEY, key="cae-999999999999")
    assert KEY not in weights.index()


def test_networks_lie_beside_every_report_and_in_the_folder_given(project, monkeypatch):
    folders = [
        project / "reports" / "orl-quick" / "networks",
        project / "reports" / "ferplus-cpu" / "networks",
        project / "project" / "reports" / "ferplus-cpu" / "networks",
    ]
    paths = {f"cae-{n}": put(folder, key=f"cae-{n}") for n, folder in enumerate(folders)}
    assert weights.index() == paths
    given = put(project / "elsewhere", key="cae-9")
    assert weights.index() == paths
    monkeypatch.setenv("FER_NETWORKS", str(given.parent))
    assert weights.index() == {**paths, "cae-9": given}


def test_the_folder_given_goes_before_the_reports(project, monkeypatch):
    put(project / "project" / "reports" / "ferplus-cpu" / "networks")
    given = put(project / "elsewhere")
    monkeypatch.setenv("FER_NETWORKS", str(given.parent))
    assert weights.index()[KEY] == given


def test_no_folder_of_networks_is_no_mistake(project, monkeypatch):
    assert weights.index() == {}
    monkeypatch.setenv("FER_NETWORKS", str(project / "missing"))
    assert KEY not in weights.index()


@pytest.mark.parametrize(("done", "expected"), [(0, False), (1, False), (2, True)])
def test_a_training_has_finished_with_its_last_epoch(done, expected):
    assert not weights.finished(KEY)
    begun(done=done)
    assert weights.finished(KEY) is expected


def test_a_digest_is_of_the_values_in_their_order():
    faces = np.random.default_rng(1).integers(0, 256, (2, 48, 48), dtype=np.uint8)
    other = faces.copy()
    other[1, 5, 7] ^= 1
    assert len({weights.digest(x) for x in (faces, other, faces[::-1])}) == 3
    assert weights.digest(np.asfortranarray(faces)) == weights.digest(faces)


# Publishing, by docs/publish.py


def test_a_published_file_has_the_weights_in_half_precision_and_all_facts(project):
    begun()
    weights.checkpoint(KEY, weights.SECONDS).write_text("[7.5, 8.5]")
    path = publish.publish(KEY, project / "networks")
    assert path == project / "networks" / f"{KEY}.safetensors"
    published, read = weights.load(path)
    assert [epoch.pop("seconds") for epoch in read["history"]] == [7.5, 8.5]
    assert read == facts()
    assert published.keys() == {"model.conv.weight", "model.conv.bias"}
    assert published["model.conv.weight"].dtype == torch.float16
    torch.testing.assert_close(
        published["model.conv.weight"], torch.full((2, 1, 3, 3), 1 / 3).half()
    )
    # Batch norms divide by the root of a variance, which may lie below half precision's range.
    assert torch.equal(published["model.conv.bias"], torch.full((2,), 1 / 3))


def test_a_training_that_is_missing_or_not_finished_is_not_published(project):
    with pytest.raises(UserError, match=f"^no finished training '{KEY}' in the work"):
        publish.publish(KEY, project / "networks")
    begun(done=1)
    with pytest.raises(UserError, match=f"^no finished training '{KEY}' in the work"):
        publish.publish(KEY, project / "networks")
    assert not (project / "networks").exists()


def test_trainings_are_published_from_the_command_line(project, monkeypatch, capsys):
    begun()
    monkeypatch.setattr(sys, "argv", ["publish", "orl-quick", KEY])
    publish.main()
    assert capsys.readouterr().out == f"{KEY}.safetensors\n"
    assert weights.index()[KEY].parent == project / "reports" / "orl-quick" / "networks"


def test_the_command_line_tells_a_mistake_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["publish", "orl-quick", "nothing"])
    with pytest.raises(SystemExit) as end:
        publish.main()
    assert end.value.code.startswith("error: no finished training 'nothing'")
    assert "\n" not in end.value.code
    assert not capsys.readouterr().out

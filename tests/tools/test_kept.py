"""What took long is made once for the same images and facts, and anew where its file is damaged."""

import pytest
import torch

from fer_lib.tools import kept as module
from fer_lib.tools.kept import BATCH, kept


@pytest.fixture
def calls(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WORK", tmp_path)
    return []


def doubled(calls):
    def make(images):
        calls.append(len(images))
        return 2 * images

    return make


def images(count: int) -> torch.Tensor:
    return torch.arange(count * 4, dtype=torch.float32).reshape(count, 1, 2, 2)


def test_whole_batches_are_made_once_and_the_rest_each_time(calls):
    for _ in range(2):
        assert torch.equal(kept(doubled(calls), images(BATCH + 3), "a"), 2 * images(BATCH + 3))
    assert calls == [BATCH, 3, 3]


@pytest.mark.parametrize("change", ["images", "facts", "shape"])
def test_what_differs_is_made_anew(calls, change):
    first, facts = images(BATCH), ("bm3d", 0.3)
    kept(doubled(calls), first, *facts)
    second = {"images": first + 1, "shape": first.reshape(BATCH, 1, 1, 4)}.get(change, first)
    output = kept(doubled(calls), second, *(("bm3d", 0.5) if change == "facts" else facts))
    assert torch.equal(output, 2 * second)
    assert calls == [BATCH, BATCH]


@pytest.mark.parametrize("size", [0, 20, -1, None])
def test_a_file_that_is_cut_off_or_changed_is_made_anew(calls, tmp_path, size):
    kept(doubled(calls), images(BATCH))
    [path] = (tmp_path / "kept").iterdir()
    whole = path.read_bytes()
    changed = whole[:-1] + bytes([whole[-1] ^ 1])
    path.write_bytes(changed if size is None else whole[:size])
    assert torch.equal(kept(doubled(calls), images(BATCH)), 2 * images(BATCH))
    assert path.read_bytes() == whole


def test_an_interrupted_work_goes_on_after_its_last_whole_batch(calls):
    def stopped(batch):
        if batch[0, 0, 0, 0] > 0:
            raise KeyboardInterrupt
        return doubled(calls)(batch)

    with pytest.raises(KeyboardInterrupt):
        kept(stopped, images(2 * BATCH))
    kept(doubled(calls), images(2 * BATCH))
    assert calls == [BATCH, BATCH]

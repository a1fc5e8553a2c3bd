"""Files are whole or absent, whatever happens in between."""

import errno
import stat

import pytest

from fer_lib.tools import files


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def permissions(path):
    return stat.S_IMODE(path.stat().st_mode)


def fill_and_fail(manager, error):
    with manager as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("old", [None, "old"])
def test_replacing_that_fails_leaves_what_was_there(tmp_path, error, old):
    path = tmp_path / "report.txt"
    if old:
        path.write_text(old)
    with pytest.raises(type(error)):
        fill_and_fail(files.replacing(path), error)
    assert names(tmp_path) == (["report.txt"] if old else [])
    assert not old or path.read_text() == old


def test_a_disk_that_is_full_amid_a_file_is_told_with_the_file(tmp_path):
    error = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match=r"No space left on device: '.*report\.txt'"):
        fill_and_fail(files.replacing(tmp_path / "report.txt"), error)
    assert names(tmp_path) == []


def test_replacing_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "a" / "b" / "report.txt"
    for text in ("one", "two"):
        files.write_text(path, text + " \N{LATIN SMALL LETTER E WITH ACUTE}")
    assert path.read_text(encoding="utf-8") == "two \N{LATIN SMALL LETTER E WITH ACUTE}"
    assert names(path.parent) == ["report.txt"]
    assert permissions(path) == 0o644


def test_replacing_is_invisible_until_done(tmp_path):
    path = tmp_path / "report.txt"
    with files.replacing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == tmp_path  # the same disk, so that the rename is one step
    assert path.read_text() == "new"


def test_replacing_does_not_replace_a_folder(tmp_path):
    path = tmp_path / "report.txt"
    path.mkdir()
    with pytest.raises(OSError, match="report.txt"), files.replacing(path) as temporary:
        temporary.write_text("new")
    assert names(tmp_path) == ["report.txt"]

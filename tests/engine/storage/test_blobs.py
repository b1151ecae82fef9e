from __future__ import annotations

import os
import time
from pathlib import Path

from engine.storage.blobs import BlobFolder, find_hashes

NEEDED, UNUSED, FRESH, AGAIN = (digit * 64 for digit in "0123")


def list_files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def make_old(path: Path) -> None:
    os.utime(path, (time.time() - 2 * 86400,) * 2)


def test_sweep_removes_what_is_neither_needed_nor_new_nor_used_again(tmp_path: Path) -> None:
    blobs, folder = BlobFolder(tmp_path / "blobs"), tmp_path / "blobs"
    for hash in (NEEDED, UNUSED, FRESH, AGAIN):
        blobs.store(hash, b"content")
    part = folder / UNUSED[:2] / ".0123.part"
    part.write_bytes(b"half")
    for path in (*(blobs.find(hash) for hash in (NEEDED, UNUSED, AGAIN)), part):
        assert path is not None
        make_old(path)
    blobs.store(AGAIN, b"content")
    assert blobs.sweep(lambda: {NEEDED}) == 1
    assert list_files(folder) == {NEEDED, FRESH, AGAIN}
    assert blobs.sweep(set, seconds_kept=-1) == 3
    assert list_files(folder) == set()


def test_a_blob_that_is_used_while_the_needed_ones_are_looked_up_stays(tmp_path: Path) -> None:
    blobs = BlobFolder(tmp_path / "blobs")
    blobs.store(UNUSED, b"content")
    path = blobs.find(UNUSED)
    assert path is not None
    make_old(path)

    def find_needed() -> set[str]:
        blobs.touch([UNUSED, NEEDED])
        return set()

    assert blobs.sweep(find_needed) == 0 and blobs.find(UNUSED) and not blobs.find(NEEDED)


def test_what_is_needed_is_looked_up_only_when_something_is_old(tmp_path: Path) -> None:
    blobs, asked = BlobFolder(tmp_path / "blobs"), []
    assert blobs.sweep(lambda: asked) == 0
    blobs.store(FRESH, b"content")
    assert blobs.sweep(lambda: asked.append("asked") or asked) == 0 and not asked


def test_names_of_blobs_are_found_in_json_and_in_json_inside_of_it() -> None:
    text = f'{{"init_image": "{NEEDED}", "source": "{{\\"mask_image\\": \\"{UNUSED}\\"}}", "seed": 12345}}'
    assert find_hashes(text) == {NEEDED, UNUSED}

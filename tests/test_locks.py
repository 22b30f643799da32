"""The lock of a folder that one process writes to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from elva.errors import FolderInUse
from elva.locks import FolderLock


def test_a_second_writer_is_refused_with_the_process(tmp_path: Path) -> None:
    with FolderLock(tmp_path), pytest.raises(FolderInUse, match=f"process {os.getpid()};"):
        FolderLock(tmp_path).__enter__()
    with FolderLock(tmp_path):
        pass


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib; from elva.locks import FolderLock; "
        "FolderLock(pathlib.Path(sys.argv[1])).__enter__(); os._exit(9)"
    )
    died = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert died.returncode == 9
    assert (tmp_path / ".lock").exists()
    with FolderLock(tmp_path):
        assert (tmp_path / ".lock").read_text().strip() == str(os.getpid())

"""What a command imports is not searched for garbage, and what it makes afterwards is."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import torch  # noqa: F401  # what such a process has imported

from dltrain.cli.imports import imports

COMMAND = """
import gc, sys
from dltrain.cli.imports import imports
with imports():
    assert not gc.isenabled()
    import json.decoder
assert gc.isenabled()
assert gc.get_freeze_count() > 1000, gc.get_freeze_count()
import torch
frozen = gc.get_freeze_count()
with imports():
    assert gc.isenabled()
assert gc.get_freeze_count() == frozen
class Cycle:
    def __init__(self):
        self.own = self
import weakref
gone = weakref.ref(Cycle())
gc.collect()
assert gone() is None
"""


def test_imports_are_not_searched_and_later_cycles_are_collected(tmp_path: Path) -> None:
    called = subprocess.run([sys.executable, "-c", COMMAND], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert called.returncode == 0, called.stderr


def test_a_process_that_has_other_objects_keeps_its_collector() -> None:
    frozen = gc.get_freeze_count()
    with imports():
        assert gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen

"""torch's compiler is imported where something is compiled, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TRAINS = """
import sys
from dltrain.cli.main import main
assert main(["model=mlp", "data=iris", "trainer.epochs=2", "baseline=none", "hydra.run.dir=run"]) == 0
"""
COMPILER = "{'torch._dynamo.eval_frame', 'torch._inductor', 'torchvision', 'sympy'}"
UNUSED = f"assert not {COMPILER} & set(sys.modules), sorted({COMPILER} & set(sys.modules))"
COMPILES = """
import torch
model = torch.nn.Linear(3, 2)
compiled, x = torch.compile(model, backend="eager"), torch.randn(4, 3)
assert torch.equal(compiled(x), model(x))
assert "torch._dynamo.eval_frame" in sys.modules
import torch._dynamo.config
optimizer = torch.optim.AdamW(model.parameters())
compiled(x).sum().backward()
optimizer.step()
optimizer.zero_grad()
"""
EXPORTS = "assert main(['export', 'run', '--format', 'onnx']) == 0"


def call(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)


def test_a_run_imports_no_compiler_and_one_that_compiles_later_has_it(tmp_path: Path) -> None:
    called = call("\n".join([TRAINS, UNUSED, COMPILES, EXPORTS]), tmp_path)
    assert called.returncode == 0, called.stderr
    assert (tmp_path / "run" / "exports" / "model.onnx").exists()


def test_a_compiler_that_is_in_use_stays(tmp_path: Path) -> None:
    before = "import sys, torch, torch._dynamo\ncompiler = sys.modules['torch._dynamo']"
    called = call("\n".join([before, TRAINS, "assert sys.modules['torch._dynamo'] is compiler"]), tmp_path)
    assert called.returncode == 0, called.stderr

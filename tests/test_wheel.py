"""A wheel alone, in an environment that holds nothing else of dltrain, in an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_carries_the_configs_and_the_templates_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "configs").rglob("*.yaml"):
        assert f"dltrain/configs/{path.relative_to(ROOT / 'configs').as_posix()}" in names
    for path in (ROOT / "src" / "dltrain").rglob("*.jinja"):
        assert path.relative_to(ROOT / "src").as_posix() in names
    assert {name.split("/")[0] for name in names} == {
        "dltrain",
        "hydra_plugins",
        f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info",
    }


def test_an_installed_wheel_trains_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    # The dependencies are borrowed: they are gigabytes. Links to editable installs are not followed from here.
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    zipfile.ZipFile(wheel).extractall(site)
    python, work = environment / "bin" / "python", tmp_path / "work"
    work.mkdir()
    # A PYTHONPATH that the tests are run with would put the checkout before the wheel.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def dltrain(*arguments: str) -> subprocess.CompletedProcess[str]:
        return called("-m", "dltrain", *arguments)

    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(python), *arguments], cwd=work, env=variables, capture_output=True, text=True)

    where = called("-c", "import dltrain; print(dltrain.__file__)")
    assert where.stdout.startswith(str(site))
    said = dltrain("model=cnn", "data=animals", "debug=smoke", "baseline=none", "trainer.batch_size=8")
    assert said.returncode == 0, said.stderr
    (result,) = work.glob("outputs/*/*/result.json")
    assert json.loads(result.read_text())["test"]["loss"] > 0
    assert (result.parent / "report.html").exists()

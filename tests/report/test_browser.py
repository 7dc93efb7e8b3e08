"""Pages of really trained runs in a real browser: nothing from outside, nothing too wide, readable by day and night."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; apt-get install chromium"),
    pytest.mark.usefixtures("rendered_plots"),
]
PHONE = 360  # CSS pixels
DARK, LIGHT = 0, 1  # Chromium's preferredColorScheme
HARNESS = """<!doctype html><title>loading</title><iframe id="page" style="width:{width}px; height:800px; border:0"
srcdoc="{page}"></iframe><script>
page.onload = () => {{
  const inside = page.contentWindow.performance.getEntriesByType("resource").map(entry => entry.name);
  document.body.dataset.width = page.contentDocument.documentElement.scrollWidth;
  document.body.dataset.asked = inside.filter(name => !name.startsWith("data:")).join(" ");
  document.body.dataset.broken = [...page.contentDocument.images].filter(image => !image.naturalWidth).length;
}};
</script>"""


@dataclass(frozen=True)
class Seen:
    """What a browser makes of a page on a phone: its width, what it asks for, broken images, complaints."""

    width: int
    asked: str
    broken: int
    complaints: list[str]


def browse(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    offline = "--host-resolver-rules=MAP * ~NOTFOUND"
    quiet = ("--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars")
    own = f"--user-data-dir={folder / 'profile'}"
    command = [CHROMIUM, "--headless=new", "--no-sandbox", offline, *quiet, own, "--enable-logging=stderr", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def look(folder: Path, page: str) -> Seen:
    harness = folder / "harness.html"
    harness.write_text(HARNESS.format(width=PHONE, page=html.escape(page)), encoding="utf-8")
    said = browse(folder, "--virtual-time-budget=5000", "--dump-dom", harness.as_uri())
    body = re.search(r"<body ([^>]*)>", said.stdout)
    assert body is not None, said.stderr
    data = dict(re.findall(r'data-(\w+)="([^"]*)"', body[1]))
    complaints = [line for line in said.stderr.splitlines() if "CONSOLE" in line]
    return Seen(int(data["width"]), data["asked"], int(data["broken"]), complaints)


def photograph(folder: Path, page: Path, scheme: int) -> Image.Image:
    screenshot = folder / f"{scheme}.png"
    size = ("--window-size=900,1600", f"--blink-settings=preferredColorScheme={scheme}")
    browse(folder, *size, f"--screenshot={screenshot}", page.as_uri())
    return Image.open(screenshot).convert("L")


def share_of_light(image: Image.Image) -> float:
    counts = image.histogram()
    return sum(counts[128:]) / sum(counts)


@pytest.mark.parametrize(
    "overrides",
    [
        ("data=breast_cancer", "model=linear", "trainer.epochs=3", "baseline=none"),
        ("data=cubic", "data.rows=80", "trainer.epochs=3", "baseline=none"),
        ("data=digits", "model=cnn", "trainer.epochs=1", "trainer.limit_batches=3", "baseline=none"),
    ],
    ids=["classes", "numbers", "images"],
)
def test_a_page_is_whole_narrow_and_readable(
    dltrain: Callable[..., Any], tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    called = dltrain(*overrides, "--quiet")
    assert called.code == 0, called.err
    page = called.run.report
    assert look(tmp_path, page.read_text(encoding="utf-8")) == Seen(PHONE, "", 0, [])
    light, dark = (photograph(tmp_path, page, scheme) for scheme in (LIGHT, DARK))
    assert light.getpixel((2, 2)) == 255
    assert dark.getpixel((2, 2)) < 40
    # Plots turn dark with the page; what is written stands out on both.
    assert share_of_light(light) > 0.9
    assert 0.005 < share_of_light(dark) < 0.2


def test_the_page_of_a_sweep_is_whole_narrow_and_readable(dltrain: Callable[..., Any], tmp_path: Path) -> None:
    small = ("data=iris", "model=mlp", "trainer.epochs=3", "trainer.threads=1", "baseline=none", "optimizer=sgd")
    called = dltrain("-m", *small, "model.hidden=[4],[8,4]", "optimizer.lr=0.1,1e30", "seed=1,2", "hydra.sweep.dir=s")
    assert called.code == 6, called.err
    page = tmp_path / "s" / "sweep.html"
    assert look(tmp_path, page.read_text(encoding="utf-8")) == Seen(PHONE, "", 0, [])
    light, dark = (photograph(tmp_path, page, scheme) for scheme in (LIGHT, DARK))
    assert light.getpixel((2, 2)) == 255
    assert dark.getpixel((2, 2)) < 40
    assert share_of_light(light) > 0.9
    assert 0.005 < share_of_light(dark) < 0.2


def test_the_browser_notices_what_it_is_asked_about(tmp_path: Path) -> None:
    far = '<!doctype html><img src="http://example.invalid/a.png"><div style="width: 500px">wide</div>'
    seen = look(tmp_path, far + "<script>console.error('oh')</script>")
    assert (seen.width, seen.asked, seen.broken) == (508, "http://example.invalid/a.png", 1)
    assert any("oh" in line for line in seen.complaints)

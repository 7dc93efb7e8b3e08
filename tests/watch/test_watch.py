"""The page of `dltrain watch`: what it shows of runs and sweeps, and what it answers to nobody."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from dltrain.runs.folder import RunDir
from dltrain.watch.overview import Overview
from dltrain.watch.server import Server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, a sweep of two jobs of which one diverged, and files that are no run's."""
    from dltrain.cli.main import main

    folder = tmp_path_factory.mktemp("watched")
    here = Path.cwd()
    os.chdir(folder)
    try:
        quick = ("model=linear", "data=cubic", "baseline=none", "trainer.epochs=3", "trainer.threads=1", "--quiet")
        assert main([*quick, "hydra.run.dir=outputs/run"]) == 0
        swept = ("-m", *quick, "optimizer=sgd", "optimizer.lr=0.01,1e20", "hydra.sweep.dir=outputs/sweep")
        assert main(swept) == 6
    finally:
        os.chdir(here)
    (folder / "outputs" / "private.csv").write_text("salary\n1\n")
    (folder / "outside.csv").write_text("salary\n1\n")
    (folder / "outputs" / "run" / "predictions.csv").unlink()
    (folder / "outputs" / "run" / "predictions.csv").symlink_to(folder / "outside.csv")
    return folder / "outputs"


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, dict(answer.headers)


def overview(server: Server) -> dict[str, Any]:
    return dict(json.loads(get(server, "/overview.json")[1]))


def test_runs_and_sweeps_are_shown_with_their_states(server: Server, folder: Path) -> None:
    shown = overview(server)
    rows = {row["run"]: row for row in shown["runs"]}
    assert {name: row["state"] for name, row in rows.items()} == {
        "run": "done",
        "sweep/0": "done",
        "sweep/1": "diverged",
    }
    history = RunDir(folder / "run").read_history()
    assert rows["run"]["best"] == min(row["val/loss"] for row in history)
    assert (rows["run"]["epoch"], rows["run"]["epochs"], rows["run"]["page"]) == (3, 3, True)
    assert rows["sweep/0"]["keys"] == {"optimizer.lr": "0.01"}
    (sweep,) = shown["sweeps"]
    assert (sweep["sweep"], sweep["state"], sweep["states"]) == ("sweep", "failed", {"done": 1, "diverged": 1})
    assert sweep["best"]["run"] == "sweep/0"
    curves = json.loads(get(server, "/curves.json?run=run&run=private&run=../outside")[1])
    assert curves["run"]["val/loss"] == [row["val/loss"] for row in history]
    assert curves["private"] == curves["../outside"] == {}


def test_what_changes_is_read_again(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "outputs"
    shutil.copytree(folder / "run", copy / "run", ignore=shutil.ignore_patterns("predictions.csv"))
    watched = Overview(copy)
    assert [row["epoch"] for row in watched.read()["runs"]] == [3]
    run = RunDir(copy / "run")
    lines = run.history.read_text().splitlines(keepends=True)
    run.history.write_text("".join([*lines, lines[-1].replace("3", "4", 1)]))
    run.write_status("running")
    (row,) = watched.read()["runs"]
    assert (row["epoch"], row["state"]) == (4, "killed")  # no process holds the lock
    run.status.write_text("{")
    (row,) = watched.read()["runs"]
    assert row["state"] == "unreadable"


def test_pages_of_runs_are_served_and_led_to(server: Server, folder: Path) -> None:
    status, content, headers = get(server, "/files/run/report.html")
    assert (status, content) == (200, (folder / "run" / "report.html").read_bytes())
    assert "sandbox" in headers["Content-Security-Policy"] and "script" not in headers["Content-Security-Policy"]
    assert get(server, "/files/sweep/sweep.csv")[0] == 200
    assert get(server, "/files/run/")[2]["Location"] == "/files/run/report.html"
    assert get(server, "/files/sweep/1/")[2]["Location"] == "/#sweep/1"
    assert get(server, "/files/run/report.html", "HEAD")[1] == b""


@pytest.mark.parametrize(
    "path",
    [
        "/files/private.csv",  # in no folder of a run
        "/files/../outside.csv",
        "/files/%2e%2e/outside.csv",
        "/files/run/..%2f..%2foutside.csv",
        "/files/run/predictions.csv",  # a link that leads out
        "/files//etc/passwd",
        "/files/run/.hydra/config.yaml",
        "/files/run/config.yaml",
        "/files/run/checkpoints/best",
        "/files/run/report.html%00.csv",
        "/nothing",
    ],
)
def test_nothing_else_is_served(path: str, server: Server) -> None:
    status, content, _ = get(server, path)
    assert status == 404
    assert b"salary" not in content and b"root:" not in content


def test_other_names_and_methods_are_refused(server: Server) -> None:
    assert get(server, "/overview.json", Host="evil.example")[0] == 403
    assert get(server, "/overview.json", Host=f"evil.example:{server.port}")[0] == 403
    assert get(server, "/overview.json", Host=f"localhost:{server.port}")[0] == 200
    assert server.server_address[0] == "127.0.0.1"
    for method in ("POST", "PUT", "DELETE"):
        assert get(server, "/overview.json", method)[0] == 501


def test_the_page_draws_what_it_is_given(server: Server) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--dump-dom")
    done = subprocess.run([browser, *flags, server.url], capture_output=True, text=True, timeout=120)
    assert "3 runs: " in done.stdout and "1 diverged" in done.stdout
    assert done.stdout.count("<polyline") == 2  # the job that diverged has no epoch
    assert 'href="/files/sweep/sweep.html"' in done.stdout


def test_a_folder_or_port_that_is_none_is_refused(dltrain: Callable, server: Server, tmp_path: Path) -> None:
    nothing = dltrain("watch", "nothing")
    assert (nothing.code, "there is no folder nothing" in nothing.err) == (2, True)
    taken = dltrain("watch", str(tmp_path), "--port", str(server.port))
    assert (taken.code, f"port {server.port} cannot be used" in taken.err) == (2, True)
    wrong = dltrain("watch", str(tmp_path), "--port", "99999")
    assert (wrong.code, "at --port" in wrong.err) == (2, True)


def test_an_interrupt_is_its_usual_end(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dltrain", "watch", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert b"dltrain watch" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None and process.stderr.read() == ""
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=2)

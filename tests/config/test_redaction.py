"""Secrets are in no file, whatever happens to a run; what only looks like one is left alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dltrain.config.redaction import REDACTED, is_secret, redacted


@pytest.mark.parametrize(
    "key",
    [
        *("token", "api_token", "hf.apiToken", "TOKEN_ID", "secret", "client-secret", "password", "passwd", "pwd"),
        *("db.pwd", "bearer", "passphrase", "api_key", "apikey", "auth_key", "private_key", "access-key", "ssh_key"),
        *("aws_credentials", "Authorization", "api_tokens"),
    ],
)
def test_a_key_that_names_a_secret(key: str) -> None:
    assert is_secret(key)


@pytest.mark.parametrize(
    "key",
    [
        *("data.key", "key", "keys", "model.tokens", "tokens", "tokens_per_batch", "max_tokens", "tokenizer"),
        *("model.tokenize", "monkey", "author", "data.path", "keep", "compass", "by_passing"),
    ],
)
def test_a_key_that_names_none(key: str) -> None:
    assert not is_secret(key)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("+api_token=xyzzy", f"+api_token={REDACTED}"),
        ("+logger={api_key:xyzzy}", f"+logger={{api_key:{REDACTED}"),
        ("+a={b: {'api_key': xyzzy}, c: 1}", f"+a={{b: {{'api_key': {REDACTED}"),
        ("+a.b.token=xyzzy,zzyzx", f"+a.b.token={REDACTED}"),
        ("model=mlp,model.token=xyzzy,seed=1", f"model=mlp,model.token={REDACTED}"),
        (["seed=1", "pwd='x\ny'"], ["seed=1", f"pwd={REDACTED}"]),
        ({"token": {"a": ["xyzzy"], "b": 5}}, {"token": {"a": [REDACTED], "b": REDACTED}}),
        ("data.path=passwords.csv", "data.path=passwords.csv"),
        ("data.target=Token", "data.target=Token"),
        ("model.tokens=auto", "model.tokens=auto"),
        ({"api_key": None, "tokenizer": "words"}, {"api_key": None, "tokenizer": "words"}),
    ],
)
def test_what_a_secret_key_holds_is_taken_out(value: Any, expected: Any) -> None:
    assert redacted(value) == expected


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is given secrets, and talks about them where it fails."""
    monkeypatch.setenv("SECRET_OF_MINE", "hunter2")
    monkeypatch.delitem(sys.modules, "safe", raising=False)  # of another test's folder
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "safe.yaml").write_text(
        "# With a key.\n_target_: safe.Safe\napi_token: null\nfrom_env: ${oc.env:SECRET_OF_MINE}\nfails: false\n"
    )
    (tmp_path / "safe.py").write_text(
        "import logging\n"
        "from pathlib import Path\n"
        "from torch import nn\n"
        "class Safe(nn.Linear):\n"
        "    def __init__(self, spec, api_token: str | None = None, from_env: str = '', fails: bool = False):\n"
        "        assert (api_token, from_env) == ('xyzzy', 'hunter2')\n"
        "        super().__init__(spec.input_shape[0], spec.out_features)\n"
        "        self.token, self.fails = api_token, fails\n"
        "    def forward(self, x):\n"
        "        for path in Path('outputs').rglob('multirun.yaml'):\n"
        "            assert 'xyzzy' not in path.read_text()\n"  # a sweep may be killed in its first job
        "        logging.getLogger('dltrain').warning('asked with %s', self.token)\n"
        "        if self.fails and Path('outputs/failed').exists():\n"  # after the trial
        "            raise OSError(5, f'{self.token} is refused')\n"
        "        return super().forward(x)\n"
    )


RUN = ("model=safe", "data=iris", "debug=smoke", "model.api_token=xyzzy")


def check_files(folder: Path, *secrets: str) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "status.json" for path in files)
    for path in files:
        for secret in secrets:
            assert secret.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("more", [(), ("-m", "seed=1,2"), ("+hydra.job.env_set={API_TOKEN:xyzzy}",)])
def test_secrets_reach_no_file(more: tuple[str, ...], dltrain: Callable, model: None) -> None:
    called = dltrain(*RUN, *more)
    assert called.code == 0, called.err
    check_files(Path("outputs"), "xyzzy", "hunter2")


def test_the_secrets_of_a_resumed_and_of_a_failed_run_reach_no_file(dltrain: Callable, model: None) -> None:
    assert dltrain(*RUN, "hydra.run.dir=outputs/run").code == 0
    more = ("--trust=safe", "model.from_env=hunter2", "--force")
    assert dltrain("resume", "outputs/run", "trainer.epochs=3", *more).code == 2
    assert dltrain("resume", "outputs/run", "trainer.epochs=3", *more, "model.api_token=xyzzy").code == 0
    called = dltrain(*RUN, "model.fails=true", "hydra.run.dir=outputs/failed")
    assert called.code == 4, called.err
    assert "is refused" in Path("outputs/failed/status.json").read_text()
    check_files(Path("outputs"), "xyzzy")

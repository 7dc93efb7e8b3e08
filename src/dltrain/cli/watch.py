"""`dltrain watch [FOLDER]`: serves a page of the runs and sweeps in a folder as they go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dltrain.cli.commands import COMMANDS, Options
from dltrain.errors import ConfigError


def run(arguments: Sequence[str], options: Options) -> int:
    """Serves the page on this machine alone, until the process is interrupted.

    Raises:
        ConfigError: there is no such folder, or the port is taken or no port.
    """
    flags, names = COMMANDS["watch"].read(arguments)
    folder = Path(names[0] if names else "outputs")
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}", fix="name a folder of runs, such as outputs")

    from dltrain.watch.server import Server

    if not 0 <= flags.port < 2**16:
        raise ConfigError(f"{flags.port} is no port", where="--port", fix="give a number from 1 to 65535")
    try:
        server = Server(folder, flags.port)
    except OSError as error:
        what = f"port {flags.port} cannot be used: {error.strerror}"
        raise ConfigError(what, where="--port", fix="give another one, or leave it out for a free one") from None
    if options.json:
        print(json.dumps({"url": server.url, "folder": str(folder)}, ensure_ascii=False), flush=True)
    elif not options.quiet:
        print(f"watch   {server.url} shows the runs in {folder}; end it with Ctrl-C", flush=True)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0

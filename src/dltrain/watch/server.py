"""Serves the page, what it shows, and files of run folders; to this machine alone, and to read only."""

from __future__ import annotations

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs, quote, unquote, urlsplit

from dltrain.watch.overview import Overview, is_folder_of_runs

ADDRESS = "127.0.0.1"
FILES = "/files/"
# What a page of a run or a sweep leads to. Weights, examples and configs stay where they are.
TYPES = {
    "report.html": "text/html",
    "sweep.html": "text/html",
    "sweep.csv": "text/csv",
    "out_of_fold.csv": "text/csv",
    "best.yaml": "text/plain",
    "metrics.csv": "text/csv",
    "predictions.csv": "text/csv",
    "wrong_labels.csv": "text/csv",
    "train.log": "text/plain",
}
# A page of a run folder may be somebody else's: it runs no script and reads nothing.
OF_FILES = "sandbox allow-popups; default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"
OF_PAGE = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'"


class Server(ThreadingHTTPServer):
    """A server of the runs below a folder, on the loopback address.

    Args:
        folder: the folder.
        port: 0 for a free one.

    Raises:
        OSError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.overview = Overview(folder)
        self.lock = Lock()
        super().__init__((ADDRESS, port), Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.port}/"


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "dltrain", ""

    def do_GET(self) -> None:
        """Answers with the page, its data or a file."""
        if not self._is_for_this_machine():
            return self._refuse(HTTPStatus.FORBIDDEN, "this server answers its own machine alone")
        address = urlsplit(self.path)
        own = {"/": ("page.html", "text/html"), "/page.js": ("page.js", "text/javascript")}
        if address.path in own:
            name, kind = own[address.path]
            return self._send((Path(__file__).parent / name).read_bytes(), kind, OF_PAGE)
        if address.path == "/overview.json":
            with self.server.lock:
                return self._send_json(self.server.overview.read())
        if address.path == "/curves.json":
            names = parse_qs(address.query).get("run", [])
            with self.server.lock:
                return self._send_json({name: self.server.overview.read_curves(name) for name in names})
        if address.path.startswith(FILES):
            return self._send_file(unquote(address.path.removeprefix(FILES)))
        return self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Prints nothing."""

    def _is_for_this_machine(self) -> bool:
        """Tells whether the request names this server; another name that leads here is somebody else's page."""
        names = (ADDRESS, "localhost")
        return self.headers.get("Host", "") in {f"{name}:{self.server.port}" for name in names}

    def _send_file(self, name: str) -> None:
        parts = name.rstrip("/").split("/")
        if any(part in ("", ".", "..") or part.startswith(".") or "\0" in part or "\\" in part for part in parts):
            return self._refuse(HTTPStatus.NOT_FOUND, "there is no such file")
        path = self.server.overview.folder.joinpath(*parts)
        if path.resolve() != path:  # a link
            return self._refuse(HTTPStatus.NOT_FOUND, "there is no such file")
        if path.is_dir() and is_folder_of_runs(path):
            there = next((page for page in ("report.html", "sweep.html") if (path / page).is_file()), "")
            quoted = quote("/".join(parts))
            return self._redirect(f"{FILES}{quoted}/{there}" if there else f"/#{quoted}")
        if not path.is_file() or path.name not in TYPES or not is_folder_of_runs(path.parent):
            return self._refuse(HTTPStatus.NOT_FOUND, "there is no such file")
        return self._send(path.read_bytes(), TYPES[path.name], OF_FILES)

    def _send_json(self, value: object) -> None:
        self._send(json.dumps(value, ensure_ascii=False).encode(), "application/json", OF_FILES)

    def _redirect(self, place: str) -> None:
        self.send_response(HTTPStatus.FOUND)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _refuse(self, status: HTTPStatus, words: str) -> None:
        self._send(f"{words}\n".encode(), "text/plain", OF_FILES, status)

    def _send(self, content: bytes, kind: str, policy: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

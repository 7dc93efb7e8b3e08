"""Starts dltrain in processes of their own as often as it is asked to, without importing torch anew each time.

A line of JSON in, a line out: `{"start": [arguments], "folder": ..., "log": ..., "environment": {...}}` answers with
the process's number, `{"wait": number}` with what `os.waitpid` says of it.
"""

import json
import os
import sys

import kill_points

import dltrain.cli.main
import dltrain.cli.resume
import dltrain.cli.train
import dltrain.experiment.build
import dltrain.experiment.run


def start(arguments: list[str], folder: str, log: str, environment: dict[str, str]) -> int:
    child = os.fork()
    if child:
        return child
    os.setsid()  # a group of its own, so that all of it can be killed
    os.chdir(folder)
    os.environ.update(environment)
    said = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(old, new)
    if environment.get("KILLED"):
        kill_points.install(environment["KILLED"])
    code = dltrain.cli.main.main(arguments)
    sys.stdout.flush()
    os._exit(code)


def serve() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            answer = os.waitpid(asked["wait"], 0)[1]
        else:
            answer = start(asked["start"], asked["folder"], asked["log"], asked["environment"])
        print(answer, flush=True)


if __name__ == "__main__":
    serve()

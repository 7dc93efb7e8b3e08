"""Keeps torch's compiler from being imported where nothing is compiled, which takes as long as importing torch.

torch's optimizers import the compiler to tell it where a compiled program must be interrupted. As long as it has not
been imported, nothing can be compiled, and there is nothing to tell.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"


class Compiler(ModuleType):
    """Stands for the compiler until anything but what torch's optimizers ask of it is needed, and then imports it."""

    def graph_break(self, *_: object, **__: object) -> None:
        """Does nothing, since no graph is traced."""

    def disable(self, function: Callable[..., Any] | None = None, *arguments: Any, **options: Any) -> Any:
        """Returns the function, which the compiler is kept away from if it has been imported when it is called."""
        if function is None:
            return lambda decorated: self.disable(decorated, *arguments, **options)

        def call(*args: Any, **kwargs: Any) -> Any:
            compiler = sys.modules[NAME]
            if compiler is self:
                return function(*args, **kwargs)
            return compiler.disable(function, *arguments, **options)(*args, **kwargs)

        return call

    def __getattr__(self, name: str) -> Any:
        if name == "__file__":  # asked of every module when a traceback is written
            raise AttributeError(name)
        if sys.modules.get(NAME) is self:
            del sys.modules[NAME]
        return getattr(importlib.import_module(NAME), name)


def delay_compiler() -> None:
    """Delays the import of the compiler until something is compiled; does nothing where it has been imported."""
    if NAME not in sys.modules:
        sys.modules[NAME] = Compiler(NAME)

"""Measure how a language model answers surveys of values; move its answers without touching a weight.

The public names are in `__init__.pyi`. Importing the package imports no torch: a name is loaded when it is
first used.
"""

import os
from importlib import import_module
from typing import Any

from lazy_loader import attach_stub

from acculturate import progress as _progress

__version__ = "0.2.0"

# Threads of torch that wait for each other sleep; spinning, they hold up each other where others use the cores
# too. Its OpenMP (libgomp, or Intel's) reads this when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("KMP_BLOCKTIME", "0")


def _find_display() -> Any:
    return import_module("acculturate.progress_bars").find_display()


_progress.show_on(_find_display)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

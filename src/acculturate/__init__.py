"""Measure the cultural values a language model shows, and move them without touching a weight.

The public names are in `__init__.pyi`. Importing the package imports no torch: a name is loaded when it is
first used.
"""

from lazy_loader import attach_stub

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

"""Models that answer survey forms under soft prompts: real ones, and a formula with a known optimum.

The public names are in `__init__.pyi`. Importing the subpackage imports no torch: a name is loaded when it
is first used.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

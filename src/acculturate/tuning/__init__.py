"""Tuning: settings, objective, the loop of a run, and its result table.

The public names are in `__init__.pyi`; each is loaded when it is first used, so that the command line can read
the settings without what a run needs.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

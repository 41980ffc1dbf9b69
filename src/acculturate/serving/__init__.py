"""A model and its tuned prompts behind OpenAI's API.

The public names are in `__init__.pyi`; a name is loaded when it is first used.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

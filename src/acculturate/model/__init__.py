"""Models that answer survey forms under soft prompts: real ones, and a formula with a known optimum.

The public names. Importing the subpackage imports no torch: a name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acculturate.model.answers import (
        LONGEST_READ,
        AnswerModel,
        Answers,
        Backward,
        Cotangent,
        DifferentiableModel,
        GeneratingModel,
        Placement,
        ProseModel,
        Query,
        TextReading,
        join_answers,
    )
    from acculturate.model.encoding import EncodedForm
    from acculturate.model.fake import FakeModel
    from acculturate.model.language_model import Dtype, LanguageModel, load_language_model
    from acculturate.model.load import load_model
    from acculturate.model.soft_prompt import Init, SoftPrompt, start_population

_HOMES = {
    "LONGEST_READ": "answers",
    "AnswerModel": "answers",
    "Answers": "answers",
    "Backward": "answers",
    "Cotangent": "answers",
    "DifferentiableModel": "answers",
    "Dtype": "language_model",
    "EncodedForm": "encoding",
    "FakeModel": "fake",
    "GeneratingModel": "answers",
    "Init": "soft_prompt",
    "LanguageModel": "language_model",
    "Placement": "answers",
    "ProseModel": "answers",
    "Query": "answers",
    "SoftPrompt": "soft_prompt",
    "TextReading": "answers",
    "join_answers": "answers",
    "load_language_model": "language_model",
    "load_model": "load",
    "start_population": "soft_prompt",
}

__all__ = [
    "LONGEST_READ",
    "AnswerModel",
    "Answers",
    "Backward",
    "Cotangent",
    "DifferentiableModel",
    "Dtype",
    "EncodedForm",
    "FakeModel",
    "GeneratingModel",
    "Init",
    "LanguageModel",
    "Placement",
    "ProseModel",
    "Query",
    "SoftPrompt",
    "TextReading",
    "join_answers",
    "load_language_model",
    "load_model",
    "start_population",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

"""`acculturate check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import acculturate as ac
from acculturate import display
from acculturate.commands.loading import asking, load, say_asked
from acculturate.commands.options import Dtype, takes_settings
from acculturate.model import Chat
from acculturate.survey import LabelKind


@takes_settings("language")
def check(
    model: str = "embedded",
    *,
    instrument: str = "vsm13",
    labels: list[str] | None = None,
    device: str = "auto",
    as_json: bool = False,
    revision: str | None = None,
    dtype: Dtype = "auto",
    chat: Chat = "auto",
    trust_remote_code: bool = False,
    **settings: Any,
) -> None:
    """Check whether a model is fit to be measured, and by which kind of answers.

    Are its answers about the questions, and do they follow what it is told to be?

    Options:
        labels: Labels of the answer options; may be given several times [digits, letters, words].
    """
    from acculturate.metrics.check import KINDS

    answering = load(model, revision, dtype, device, trust_remote_code, chat)
    with asking(answering):
        result = ac.check(
            answering,
            ac.load_instrument(instrument),
            labels=cast("Sequence[LabelKind]", labels or KINDS),
            language=settings["language"],
        )
    say_asked(answering)
    display.print_result(as_json, result.to_dict(), lambda: display.show_check(result))

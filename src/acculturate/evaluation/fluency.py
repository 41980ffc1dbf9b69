"""Side effects of a finished run's soft prompt: a run directory and its model -> evaluation/fluency.json.

What the file holds already for the same prompt, model, texts and questions is not measured again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from acculturate.arguments import Seed, checked
from acculturate.errors import UsageError
from acculturate.evaluation.evaluate import RunEvaluation
from acculturate.io import decode, fingerprint, lock_folder, read_bytes
from acculturate.metrics.side_effects import (
    MAX_TOKENS,
    SideEffects,
    measure_side_effects,
    text_sets,
)
from acculturate.metrics.texts import QUESTIONS
from acculturate.model.answers import LONGEST_READ, AnswerModel, ProseModel
from acculturate.runs import Memo, Run, check_model
from acculturate.survey.parsing import REFUSALS

FORMAT = 2
"""Raised when the file's numbers come to mean something else, so that an old one is made again."""
PART = "fluency"
MOST_TEXTS, MOST_BYTES = 500, 4_000_000
"""Of a user's own file of texts."""


@checked
def evaluate_fluency(
    run: Run | str | Path,
    model: AnswerModel,
    *,
    texts: Sequence[str] = (),
    seed: Seed = 0,
) -> RunEvaluation:
    """Measure what a finished run's soft prompt does to ordinary text, and write it into its directory.

    Args:
        run: A finished run, or its directory.
        model: The model it was tuned on; never changed.
        texts: Own texts to read as well. What is there for such texts stays where none are given and the
            seed is the same.
        seed: Of the bootstrap.

    Returns:
        The content of the file, and what was refused: by a model that writes no text, or as none of the
        texts has two tokens.

    Raises:
        UsageError: The run is not finished, or the model is another one.
        FailureError: A file of the run is damaged or cannot be written.
    """
    loaded = run if isinstance(run, Run) else Run.load(run)
    directory, prompt = loaded.directory, loaded.soft_prompt
    weights_hash = check_model(directory, prompt, model)
    inputs = fingerprint(
        [
            FORMAT,
            prompt.fingerprint,
            prompt.placement,
            weights_hash,
            seed,
            list(text_sets().items()),
            [LONGEST_READ, QUESTIONS, MAX_TOKENS, REFUSALS],
            *(["its line as in a chat"] if prompt.line else []),
        ]
    )
    memo = Memo(directory / "evaluation")

    def make() -> SideEffects:
        if not isinstance(model, ProseModel):
            raise UsageError(f"{model.name} reads and writes no text")
        return measure_side_effects(model, prompt, own=texts, seed=seed)

    with lock_folder(directory), memo.attempt(PART, "ordinary text"):
        memo.once(
            PART,
            make,
            fingerprint=inputs,
            own_fingerprint=fingerprint(list(texts)) if texts else None,
        )
    memo.finish()
    part = memo.read(PART)
    contents = {} if part is None else {PART: part}
    return RunEvaluation(directory, contents, tuple(memo.computed), tuple(memo.refused))


def read_own_texts(path: Path) -> tuple[str, ...]:
    """Read a file of ordinary texts, one a line, UTF-8; empty lines are left out.

    Raises:
        UsageError: There is no such file, it is no text, or it holds none or too many.
    """
    what = "file of texts"
    raw = path.read_bytes() if path.is_fifo() else read_bytes(path, what, MOST_BYTES)
    lines = decode(raw, path, what).splitlines()
    texts = tuple(line.strip() for line in lines if line.strip())
    if not 0 < len(texts) <= MOST_TEXTS:
        raise UsageError(
            f"{path} holds {len(texts)} texts; 1 to {MOST_TEXTS} are read",
            "Write one text a line; of more, give a random part.",
        )
    return texts

"""The folder of a rating: what raters see, the sealed key to it, and what they judged.

In: a folder. Out: its records, checked. Of its three files pairs.jsonl, which names no variant, is all that the
server reads; key.json says which answer is whose, and only the report opens it; ratings.jsonl is `log.py`'s.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from acculturate.errors import FailureError, UsageError
from acculturate.io import fingerprint, write_text
from acculturate.record_files import read_record, read_records, write_record

PAIRS, KEY, RATINGS = "pairs.jsonl", "key.json", "ratings.jsonl"
NAIVE, AGAIN, PERSONA = "naive", "naive again", "persona"
"""Names of variants beside the runs': the untouched model, its answers drawn anew, and with a persona line."""

SHARE = 0.1
"""Of the pairs: of naive against naive; and shown to a rater once more."""
RESTORE = "Restore both files as `acculturate rate prepare` wrote them."

Kind = Literal["naive", "persona", "tuned"]
"""What a variant is."""


@dataclass(frozen=True)
class Pair:
    """Two answers to a question, without a word on where they come from: a line of pairs.jsonl.

    Attributes:
        id: Drawn at random.
        country: The country that answers are to be typical of.
        question: The question.
        first: One answer.
        second: The other; which of them is whose was drawn too.
    """

    id: str
    country: str
    question: str
    first: str
    second: str


@dataclass(frozen=True)
class Variant:
    """A way of answering.

    Attributes:
        name: `NAIVE`, `AGAIN`, `PERSONA`, or the name of a run's directory.
        kind: What it is.
        seed: Of its answers.
        line: Words in front of every question; empty for none.
        run: The run's directory; empty where it is none.
        prompt: Fingerprint of the soft prompt, likewise.
    """

    name: str
    kind: Kind
    seed: int
    line: str = ""
    run: str = ""
    prompt: str = ""


@dataclass(frozen=True)
class Origin:
    """Names of the variants that a pair's two answers come from, and its question's domain."""

    first: str
    second: str
    domain: str


@dataclass(frozen=True)
class Key:
    """The key to the pairs: key.json.

    Attributes:
        fingerprint: SHA-256 of the pairs that it is of.
        model: Name of the model.
        weights_hash: Of the model.
        max_tokens: Tokens that an answer had at most.
        seed: Of everything drawn.
        source: Who wrote the questions.
        variants: All of them.
        origins: By the pair's id.
    """

    fingerprint: str
    model: str
    weights_hash: str
    max_tokens: int
    seed: int
    source: str
    variants: tuple[Variant, ...]
    origins: dict[str, Origin]


def write_folder(folder: Path, pairs: Sequence[Pair], key: Key) -> None:
    """Write pairs and key, the key first, so that pairs never lack theirs.

    Raises:
        FailureError: They cannot be written.
    """
    write_record(folder / KEY, key)
    (folder / KEY).chmod(0o600)
    write_text(folder / PAIRS, "".join(json.dumps(asdict(pair)) + "\n" for pair in pairs))


def read_pairs(folder: Path) -> tuple[Pair, ...]:
    """Read what raters see.

    Raises:
        UsageError: There is no such folder.
        FailureError: The file is damaged.
    """
    path = folder / PAIRS
    if not path.is_file():
        raise UsageError(
            f"there are no pairs in {folder}", "Make them first: acculturate rate prepare RUN."
        )
    pairs = read_records(Pair, path)
    ids, countries = {pair.id for pair in pairs}, {pair.country for pair in pairs}
    if len(ids) < len(pairs) or len(countries) != 1:
        why = "two pairs of one id" if len(ids) < len(pairs) else f"{len(countries)} countries"
        raise FailureError(f"{path} is damaged: it has {why}", RESTORE)
    return pairs


def read_key(folder: Path, pairs: Sequence[Pair]) -> Key:
    """Read the key to some pairs.

    Raises:
        UsageError: It is not there.
        FailureError: It is damaged, or of other pairs.
    """
    path = folder / KEY
    if not path.is_file():
        raise UsageError(
            f"{path} is missing: without it nobody knows which answer is whose",
            "Put the key back that `acculturate rate prepare` wrote there.",
        )
    key = read_record(Key, path)
    names = {variant.name for variant in key.variants}
    ids = {pair.id for pair in pairs}
    said = {name for origin in key.origins.values() for name in (origin.first, origin.second)}
    if key.fingerprint != mark_of(pairs) or said - names or key.origins.keys() != ids:
        raise FailureError(
            f"{path} is not the key to {folder / PAIRS}: one of them was changed",
            RESTORE,
        )
    return key


def mark_of(pairs: Sequence[Pair]) -> str:
    """Return the fingerprint of pairs."""
    return fingerprint([asdict(pair) for pair in pairs])

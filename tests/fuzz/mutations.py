"""Files and arguments made wrong: values replaced in what a file says, and its bytes."""

from __future__ import annotations

import csv
import io
import json
import random
import tomllib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from acculturate.record_files import dump_arrays, read_arrays
from acculturate.runs.directory import _digest

TEXTS = [
    *(
        "",
        " ",
        "nan",
        "-inf",
        "-1",
        "0",
        "1e400",
        "9" * 400,
        "9" * 5000,
        "0x10",
        "1_0",
        "True",
        "null",
        "[]",
    ),
    *(
        "{}",
        "{",
        '"',
        "'",
        ",",
        "=",
        "../..",
        "nowhere",
        ".",
        "a" * 5000,
        "\x1b[31m\x07",
        "\u202eabc",
        "\ufeff",
    ),
    *(
        "\x85\x9b",
        "é" * 70,
        "العربية",
        "👩‍🏫",
        "\\",
        "$(x)",
        "<b>&",
        "{question}",
        "{options}",
        "{0}",
        "%s",
    ),
    *(
        "toy.toml",
        "t.csv",
        "run",
        "prompt.safetensors",
        "France",
        "china",
        "vsm13",
        "pdi=1",
        "de/best/1",
        "gde3",
    ),
]
"""Values that a text may be replaced by."""

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 3, 2**31, 2**63 - 1, 2**63, 10**400, 0.0, -0.5, 1e-320, 1e300),
    *(
        float("nan"),
        float("inf"),
        [],
        {},
        [[]],
        [None],
        {"": ""},
        [1, "a"],
        "x",
        ["a", "a"],
        {"a": {"a": 1}},
    ),
]
"""Values that any value may be replaced by."""

_LINES = [
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\r",
    b"\n\n",
    b"\xef\xbb\xbf",
    b"[" * 100_000,
    b"{\n",
    b'"',
    b"a,b",
]


def mutate(file: Path, others: list[Path], rng: random.Random) -> None:
    """Make a file wrong: mostly in what it says, else in its bytes, or put another one in its place."""
    kind = rng.random()
    by_format = _FORMATS.get(file.suffix)
    if kind < 0.65 and by_format is not None:
        try:
            file.write_bytes(by_format(file, rng))
            return
        except (TypeError, ValueError, OverflowError, RecursionError):
            pass  # the format cannot say it
    if kind < 0.94:
        file.write_bytes(_bytes(file.read_bytes(), rng))
    elif kind < 0.97:
        file.write_bytes(rng.choice(others).read_bytes())
    else:
        file.unlink()
        if rng.random() < 0.5:
            file.mkdir()


def change(value: Any, rng: random.Random, replace: Callable[[Any], Any] | None = None) -> Any:
    """Return plain values with one to three of them replaced, removed, doubled or renamed."""
    value = deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            return replace(value) if replace else _other(value, rng)
        holder, key = rng.choice(places)
        match rng.randrange(8):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.insert(key, deepcopy(holder[key]))
            case 1:
                holder[rng.choice(TEXTS)] = holder.pop(key)
            case 2:
                holder[key] = deepcopy(rng.choice(places)[0])
            case 3:
                deep = holder[key]
                for _ in range(rng.choice((1, 2, 150))):
                    deep = rng.choice(([deep], {"a": deep}))
                holder[key] = deep
            case _:
                holder[key] = replace(holder[key]) if replace else _other(holder[key], rng)
    return value


def _places(value: Any) -> Any:
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)


def _other(value: Any, rng: random.Random) -> Any:
    if isinstance(value, str) and rng.random() < 0.6:
        return rng.choice((rng.choice(TEXTS), value + rng.choice(TEXTS), value[: len(value) // 2]))
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.4:
        return rng.choice((value + 1, -value, value * 1000, value / 3, str(value)))
    return deepcopy(rng.choice(VALUES))


def _bytes(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = rng.randrange(len(changed) + 1)
        match rng.randrange(6):
            case 0:
                del changed[place:]
            case 1:
                del changed[place : place + rng.randrange(1, 40)]
            case 2:
                changed[place:place] = changed[place : place + rng.randrange(1, 200)]
            case 3:
                changed[place:place] = rng.choice(_LINES)
            case 4:
                changed[place:place] = rng.choice(TEXTS).encode("utf-8", "surrogatepass")
            case _ if place < len(changed):
                changed[place] ^= 1 << rng.randrange(8)
            case _:
                changed.clear()
    return bytes(changed)


def _toml(file: Path, rng: random.Random) -> bytes:
    return tomli_w.dumps(change(tomllib.loads(file.read_text("utf-8")), rng)).encode()


def _json(file: Path, rng: random.Random) -> bytes:
    return json.dumps(change(json.loads(file.read_bytes()), rng)).encode()


def _json_lines(file: Path, rng: random.Random) -> bytes:
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return "".join(json.dumps(line) + "\n" for line in change(lines, rng)).encode()


def _csv(file: Path, rng: random.Random) -> bytes:
    rows = list(csv.reader(io.StringIO(file.read_text("utf-8"))))
    changed = change(rows, rng, lambda _: rng.choice(TEXTS))
    text = io.StringIO()
    csv.writer(text).writerows(row if isinstance(row, list) else [row] for row in changed)
    return text.getvalue().encode()


def _npz(file: Path, rng: random.Random) -> bytes:
    """Change a state, with its digest made right again."""
    arrays = dict(read_arrays(file))
    names = sorted(set(arrays) - {"digest"})
    name = rng.choice(names)
    array = arrays.pop(name)
    if rng.random() < 0.8:
        wrong = [
            *(
                array.astype(str),
                array[None],
                array.ravel(),
                np.zeros(0),
                np.array(-1),
                np.array("x"),
            ),
            *(
                np.full(array.shape, np.nan),
                np.full(array.shape, 1e300),
                np.full(array.shape, 2**62),
            ),
            *(
                arrays[rng.choice(names[:1])] if names[0] in arrays else array,
                array.T,
                np.atleast_1d(array)[..., :0],
            ),
        ]
        arrays[rng.choice((name, name, name, "other"))] = rng.choice(wrong)
    arrays.pop("digest", None)
    return dump_arrays(arrays | {"digest": np.array(_digest(arrays))})


def _safetensors(file: Path, rng: random.Random) -> bytes:
    """Change the header of a soft prompt, or a number in it."""
    content = file.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    if rng.random() < 0.4:
        numbers = np.frombuffer(content[end:], np.float32).copy()
        numbers[rng.randrange(len(numbers))] = rng.choice((np.nan, np.inf, 1e38, -1e38))
        return content[:end] + numbers.tobytes()
    header = json.dumps(change(json.loads(content[8:end]), rng)).encode()
    return len(header).to_bytes(8, "little") + header + content[end:]


_FORMATS: dict[str, Callable[[Path, random.Random], bytes]] = {
    ".toml": _toml,
    ".json": _json,
    ".jsonl": _json_lines,
    ".csv": _csv,
    ".npz": _npz,
    ".safetensors": _safetensors,
}

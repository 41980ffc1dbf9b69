"""What a terminal and a report show."""

import json

import pytest

from acculturate.formatting import escaped, slug, visible

STEERING = [
    *map(chr, [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
]


@pytest.mark.parametrize("sign", sorted(set(STEERING) - set("\n\t")), ids=ascii)
def test_what_would_steer_a_terminal_is_visible(sign: str):
    assert visible(f"a{sign}b") != f"a{sign}b"
    assert sign not in visible(f"a{sign}b")
    assert len(visible(f"a{sign}b")) == 3


def test_what_is_visible_stays():
    for text in (
        "a\tb\nc",
        "Côte d’Ivoire",
        "می‌خواهم",
        "क्\u200dष",
        "\u200fשלום!\u200e",
        "🇨🇮 👩\u200d🏫",
    ):
        assert visible(text) == text
    assert visible("a\r\nb\x1b[31m") == "a\nb␛[31m"
    assert visible("\udcff") == "\ufffd"


def test_json_is_escaped_and_means_the_same():
    values = {sign: f"é{sign}" for sign in STEERING}
    text = escaped(json.dumps(values, ensure_ascii=False))
    assert json.loads(text) == values
    assert not set(STEERING) & set(text)
    assert "é" in text


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("CON", "con_"),
        ("aux.toml", "aux_.toml"),
        ("console", "console"),
        ("a" * 59 + ".b", "a" * 59),
    ],
)
def test_a_file_name_is_one_on_every_system(name: str, file: str):
    assert slug(name) == file

"""Examples at the end of every verb's help."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "measure": (
        "acculturate measure --country China",
        "acculturate measure --model ./my-model --language ar --out profile",
    ),
    "compare": ("acculturate compare embedded ./my-model --country China",),
    "check": ("acculturate check ./my-model",),
    "score": ("acculturate score answers.csv --by country --figure people.pdf",),
    "tune": (
        "acculturate tune --country China --out runs/china",
        "acculturate tune --country China --out runs/china --resume",
        "acculturate tune --country mars --table planets.csv --budget 600",
    ),
    "experiment": (
        "acculturate experiment --list",
        "acculturate experiment my.toml --dry-run",
        "acculturate experiment my.toml --out runs/my",
    ),
    "evaluate": (
        "acculturate evaluate runs/china",
        "acculturate evaluate runs/china --on questions.toml",
    ),
    "report": ("acculturate report runs/china runs/usa --out both.html",),
    "figures": ("acculturate figures runs/china --format pdf",),
    "relate": ("acculturate relate runs/china runs/usa --out related",),
    "export": ("acculturate export runs/china --out adapter",),
    "chat": ("acculturate chat runs/china",),
    "serve": ("acculturate serve runs/china --port 8000",),
    "countries": ("acculturate countries China", "acculturate countries --table hofstede-2015"),
    "forms": ("acculturate forms --language zh --split held-out",),
    "doctor": ("acculturate doctor", "acculturate doctor --json"),
    "instrument template": ("acculturate instrument template vsm13 > official.toml",),
    "instrument list": ("acculturate instrument list",),
    "rate prepare": ("acculturate rate prepare runs/china --out rating",),
    "rate serve": ("acculturate rate serve rating",),
    "rate report": ("acculturate rate report rating",),
}
"""Command lines by verb."""

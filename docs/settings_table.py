"""Write the table of docs/settings.md anew: python docs/settings_table.py."""

from __future__ import annotations

from pathlib import Path

from acculturate.tuning import allowed_values, setting_fields

PAGE = Path(__file__).with_name("settings.md")
START, END = "<!-- table -->\n", "<!-- end of table -->\n"


def settings_table() -> str:
    """Return the settings of `acculturate tune` as a Markdown table."""
    lines = ["| Setting | Values | Default | Meaning |", "|---|---|---|---|"]
    for name, field in setting_fields().items():
        default = "" if field.default is None else f"`{field.default}`"
        lines.append(f"| `{name}` | {allowed_values(name)} | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    before, _, rest = PAGE.read_text("utf-8").partition(START)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{START}{settings_table()}{END}{after}", "utf-8")

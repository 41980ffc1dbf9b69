"""Settings of the documentation: Sphinx, furo, and the pages as Markdown (MyST). `make docs` builds it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from myst_parser.parsers.sphinx_ import MystParser

import acculturate

project = "acculturate"
author = "The acculturate authors"
version = release = acculturate.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
# Tables that an experiment wrote, as it wrote them; they are linked to, not pages.
exclude_patterns = ["paper-embedded/table.md", "paper-embedded/elsewhere.md"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
# Files of data and reports that pages link to, which are copied beside the page.
suppress_warnings = ["misc.highlighting_failure"]

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
default_role = "code"  # docstrings mark code with single backticks

html_theme = "furo"
html_title = f"acculturate {release}"
html_favicon = "static/icon.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = True
html_theme_options = {"top_of_page_buttons": []}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"


def _write_llms_txt(app: Any, error: Exception | None) -> None:
    """Write llms.txt: every page with its first sentence, in the order of the navigation."""
    if error or app.builder.name != "html":
        return
    env = app.env
    pages = ["index", *env.toctree_includes["index"]]
    lines = [f"# {project}", "", f"> {_summary('index')}", ""]
    for page in _in_order(pages, env.toctree_includes):
        title, summary = env.titles[page].astext(), _summary(page)
        lines.append(
            f"- [{title}](_sources/{env.doc2path(page, base=False)}.txt): {summary}"
            if summary
            else f"- [{title}]({page}.html)"  # a page that includes a file from elsewhere
        )
    (Path(app.outdir) / "llms.txt").write_text("\n".join(lines) + "\n", "utf-8")


def _copy_experiment(app: Any, error: Exception | None) -> None:
    """Copy the paper's experiment beside its page: its report links to the other files."""
    if not error and app.builder.name == "html":
        folder = "paper-embedded"
        shutil.copytree(
            Path(__file__).parent / folder,
            Path(app.outdir) / folder,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("index.md"),
        )


class NotebookParser(MystParser):
    """Notebooks as pages, without what their cells print."""

    supported = ("notebook",)

    def parse(self, inputstring: str, document: Any) -> None:
        """See `MystParser.parse`."""
        super().parse(_markdown_of(inputstring), document)


def _markdown_of(notebook: str) -> str:
    """Return a notebook as Markdown, with a link to the file at its end."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(notebook)["cells"]]
    parts = [text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in cells]
    return "\n\n".join([*parts, "{download}`Download this page as a notebook <notebook.ipynb>`"])


def _in_order(pages: list[str], below: dict[str, list[str]]) -> list[str]:
    """Return pages and all below them, each once."""
    found: dict[str, None] = {}
    for page in pages:
        found[page] = None
        if page != "index":
            found |= dict.fromkeys(_in_order(below.get(page, []), below))
    return list(found)


def _summary(page: str) -> str:
    """Return the first paragraph of a page, without its links."""
    file = Path(__file__).parent / page
    if (markdown := file.with_suffix(".md")).is_file():
        text = markdown.read_text("utf-8")
    else:
        text = _markdown_of(file.with_suffix(".ipynb").read_text("utf-8"))
    paragraphs = re.split(r"\n\s*\n", text)
    prose = [p for p in paragraphs if re.match(r"[A-Z*]|`[^`]", p)]
    first = " ".join(prose[0].split()) if prose else ""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", first)


def setup(app: Any) -> None:
    """Read notebooks, and connect what is written after the pages."""
    app.add_source_suffix(".ipynb", "notebook")
    app.add_source_parser(NotebookParser)
    app.connect("build-finished", _write_llms_txt)
    app.connect("build-finished", _copy_experiment)

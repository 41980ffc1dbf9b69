"""Check every link inside the built site, anchors too: python docs/check_links.py build/docs."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit


class Page(HTMLParser):
    """The links and the anchors of a page, and what it loads from elsewhere."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.outside: set[str] = set()
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what an element links to, loads and is named."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given.get("id", ""), given.get("name", "")}
        link = given.get("href") or given.get("src")
        if link and not urlsplit(link).scheme:
            self.links.add(link)
        elif link and tag != "a" and not link.startswith("data:"):
            self.outside.add(link)


def faults(site: Path) -> list[str]:
    """Return every dead link of a site, and everything that it loads from elsewhere."""
    pages = {file.resolve(): Page(file) for file in site.rglob("*.html")}
    found = [] if pages else [f"{site}: no page is there"]
    for file, page in pages.items():
        found += [f"{file}: loads {link}" for link in page.outside]
        for link in page.links:
            path, anchor = urldefrag(link)
            target = (file.parent / unquote(path.partition("?")[0])).resolve() if path else file
            anchored = target not in pages or unquote(anchor) in pages[target].anchors
            if not target.exists() or (anchor and not anchored):
                found.append(f"{file}: dead link {link}")
    return found


if __name__ == "__main__":
    dead = faults(Path(sys.argv[1]))
    print("\n".join(dead) or "every link inside the site is alive")
    sys.exit(bool(dead))

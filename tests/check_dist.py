"""Check what `make dist` built, the wheel in a fresh environment: python tests/check_dist.py dist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = "Scripts" if os.name == "nt" else "bin"


def source_files() -> set[str]:
    """Return the files of the package as they stand in the source, data and templates among them."""
    files = (ROOT / "src").rglob("*")
    return {
        file.relative_to(ROOT / "src").as_posix()
        for file in files
        if file.is_file() and file.suffix != ".pyc"
    }


def check_contents(wheel: Path, source: Path) -> None:
    """Raise an error unless both hold the whole package, and the wheel nothing beside it."""
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    with tarfile.open(source) as archive:
        unpacked = {name.partition("/src/")[2] for name in archive.getnames() if "/src/" in name}
    for built, held in ((wheel, packed), (source, unpacked)):
        if differing := held ^ source_files():
            sys.exit(f"{built.name} and src differ in {', '.join(sorted(differing))}")
        print(f"{built.name}: {built.stat().st_size / 1e6:.2f} MB")


def check_installed(wheel: Path, folder: Path) -> None:
    """Install a wheel as a user does, and run the README's Python and two commands, away from the source."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    venv.create(folder / "fresh", with_pip=True)
    programs = folder / "fresh" / BIN
    install = ["-m", "pip", "install", "--quiet", "--no-compile", str(wheel)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for command in (
        [programs / "python", *install],
        [programs / "python", "-m", "pip", "check"],
        [programs / "acculturate", "--version"],
        [programs / "acculturate", "doctor"],
        [programs / "python", "-c", block],
    ):
        subprocess.run(command, check=True, cwd=folder, env=environment)


if __name__ == "__main__":
    (built_wheel,), (built_source,) = (
        [file.resolve() for file in Path(sys.argv[1]).glob(pattern)]
        for pattern in ("*.whl", "*.tar.gz")
    )
    check_contents(built_wheel, built_source)
    with tempfile.TemporaryDirectory() as away:
        check_installed(built_wheel, Path(away))

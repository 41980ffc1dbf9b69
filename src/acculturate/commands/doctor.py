"""`acculturate doctor`."""

from __future__ import annotations

import platform
import re
import shutil
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from acculturate import display
from acculturate.errors import FailureError
from acculturate.formatting import first_line
from acculturate.process import installed_versions

_GB = 1e9
_NOT_FOR_USERS = ("dev", "docs")


@dataclass(frozen=True)
class Extra:
    """An optional part of the package.

    Attributes:
        missing: Packages that it needs and that are not installed, or too old.
        install: The command that installs it.
    """

    missing: tuple[str, ...]
    install: str


@dataclass(frozen=True)
class Diagnosis:
    """State of an installation, for a bug report.

    Attributes:
        versions: Version by package, Python's first; None where it is not installed.
        platform: Operating system and processor.
        device: The device that models run on, or why there is none.
        bfloat16: Whether it multiplies in bfloat16, which `--dtype auto` then takes; None where there is none.
        cache: Folder of the embedded model and of answers over the wire.
        cache_bytes: Its size.
        free_bytes: Free space on its disk.
        missing: Packages that acculturate needs and that are not installed, or too old.
        extras: Optional parts by name.
    """

    versions: dict[str, str | None]
    platform: str
    device: str
    bfloat16: bool | None
    cache: str
    cache_bytes: int
    free_bytes: int
    missing: tuple[str, ...]
    extras: dict[str, Extra]


def doctor(*, as_json: bool = False) -> None:
    """Show what is installed here, what is missing, and how to install it.

    Its output belongs in every bug report.
    """
    diagnosis = _diagnose()
    display.print_result(as_json, asdict(diagnosis), partial(_show, diagnosis))


def _diagnose() -> Diagnosis:
    from acculturate.model.embedded import cache_folder

    device, fast = _find_device()
    cache = cache_folder()
    there = next(folder for folder in (cache, *cache.absolute().parents) if folder.is_dir())
    needed, extras = _find_missing()
    return Diagnosis(
        versions=installed_versions(),
        platform=platform.platform(),
        device=device,
        bfloat16=fast,
        cache=str(cache),
        cache_bytes=sum(file.stat().st_size for file in cache.rglob("*") if file.is_file()),
        free_bytes=shutil.disk_usage(there).free,
        missing=needed,
        extras=extras,
    )


def _find_device() -> tuple[str, bool | None]:
    """Return the device that `--device auto` takes, and whether it is fast in bfloat16."""
    try:
        from acculturate.model.pretrained import device_name, resolve_device, resolve_dtype

        device = resolve_device("auto")
        return device_name(device), "bfloat16" in str(resolve_dtype("auto", device))
    except Exception as error:  # torch that does not load is what a user comes here with
        return f"none: {first_line(error)}", None


def _find_missing() -> tuple[tuple[str, ...], dict[str, Extra]]:
    """Return what the package lacks, and its extras.

    Raises:
        FailureError: acculturate is run from a folder that was never installed.
    """
    try:
        requirements = [Requirement(line) for line in requires("acculturate") or ()]
    except PackageNotFoundError as error:
        raise FailureError(
            "acculturate is not installed, only its source is here", "pip install ."
        ) from error
    names = re.compile(r"""extra == ["']([^"']+)["']""")
    by_extra: dict[str, list[str]] = {"": []}
    for requirement in requirements:
        named = names.search(str(requirement.marker or ""))
        extra = named[1] if named else ""
        lacking = by_extra.setdefault(extra, [])
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        if applies and not _is_met(requirement):
            lacking.append(f"{requirement.name}{requirement.specifier}")
    needed = tuple(by_extra.pop(""))
    return needed, {
        extra: Extra(tuple(lacking), f"pip install 'acculturate[{extra}]'")
        for extra, lacking in sorted(by_extra.items())
        if extra not in _NOT_FOR_USERS
    }


def _is_met(requirement: Requirement) -> bool:
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False


def _show(diagnosis: Diagnosis) -> None:
    rows = [(name, found or "not installed") for name, found in diagnosis.versions.items()]
    fast = {True: "yes", False: "no: float32", None: "unknown"}[diagnosis.bfloat16]
    size, free = diagnosis.cache_bytes / _GB, diagnosis.free_bytes / _GB
    rows += [
        ("platform", diagnosis.platform),
        ("device", diagnosis.device),
        ("bfloat16", fast),
        ("cache", f"{diagnosis.cache}: {size:.1f} GB, {free:.0f} GB free"),
    ]
    for name, extra in diagnosis.extras.items():
        missing = f"{', '.join(extra.missing)} missing: {extra.install}"
        rows.append((f"extra {name}", missing if extra.missing else "there"))
    below = [f"Missing or too old: {', '.join(diagnosis.missing)}."] if diagnosis.missing else []
    display.show_table("acculturate", ("", "here"), rows, left=2, below=below)

"""One file of a data set on the Hugging Face hub.

In: a repository and a path in it. Out: a local copy, kept in the hub's own cache, and its commit.
"""

from __future__ import annotations

from pathlib import Path

from acculturate.errors import FailureError


def download(repository: str, file: str, instead: str) -> tuple[Path, str]:
    """Fetch a file, or takes the copy that an earlier call left.

    Args:
        repository: Data set on the hub, as owner/name.
        file: Path in it.
        instead: An option that gives a local file instead, for the message.

    Returns:
        The local copy, and the commit it is from.

    Raises:
        FailureError: There is no network, no such file, or no permission.
    """
    from huggingface_hub import hf_hub_download

    try:
        path = Path(hf_hub_download(repository, file, repo_type="dataset"))
    except Exception as error:  # the hub's own, those of its transport, and the system's
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise FailureError(
            f"{repository} cannot be fetched from the hub: {first}",
            f"Check the network, or download {file} yourself and give it: {instead}",
        ) from error
    # .../snapshots/COMMIT/PATH
    return path, path.parents[len(Path(file).parts) - 1].name

"""The checks of a run's settings: which of them do not fit together, or the optimiser.

In: settings with everything filled in. Out: nothing, or a `UsageError` that says what to change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acculturate.errors import UsageError
from acculturate.search import Adam, Optimizer, read_name

if TYPE_CHECKING:
    from acculturate.tuning.settings import Settings

OWN_STARTS = {
    "multitask": "what the countries of the directory share",
    "demonstrations": "the answers of the country",
}
"""Where a search in a space begins that no other start fits."""


def check_settings(settings: Settings, optimizer: Optimizer) -> None:
    """Check that settings fit together, and the optimiser.

    Args:
        settings: With everything filled in that an optimiser leaves open.
        optimizer: The optimiser.

    Raises:
        UsageError: They do not; the message names those that do not.
    """
    assert settings.space is not None
    kind = read_name(settings.space)[0]
    of_real_tokens = kind == "mixture"
    first = optimizer.population_size * optimizer.evaluations_per_candidate
    if settings.budget < first:
        raise UsageError(
            f"a budget of {settings.budget} does not hold one population of {first} evaluations",
            f"Use --budget {first} or more, or a smaller --population.",
        )
    if settings.sample and settings.compares_losses:
        raise UsageError(
            "losses on different samples of forms cannot be compared with one another or a target",
            "Use --stall and --target-loss without --sample.",
        )
    if settings.goal != "scores" and settings.reading != "expected":
        raise UsageError(
            f"the objective {settings.objective} compares expected answers, not those of the reading "
            f"{settings.reading}",
            "Use --objective scores, or --reading expected.",
        )
    if settings.placement == "prefix" and (
        "gradient" not in optimizer.requires or settings.space != "full"
    ):
        raise UsageError(
            f"a prefix has too many numbers for {optimizer.name} in the space {settings.space}",
            "Use --placement prefix with --optimizer adam and without --space.",
        )
    if settings.distillation and "gradient" not in optimizer.requires:
        raise UsageError(
            f"a teacher's answers are learned by gradients, which {optimizer.name} does not use",
            "Use --distillation with --optimizer adam.",
        )
    if settings.min_valid_mass is not None and "words" in settings.label_kinds:
        raise UsageError(
            "a limit on the valid mass is one on labels: of answers in words it is that of whole sequences",
            "Use --labels digits, or --max-divergence.",
        )
    if settings.measured_forms is not None and not settings.sample:
        raise UsageError(
            "the result is measured on the forms of the search where these are not drawn anew",
            "Leave out --measured-forms, or add --sample.",
        )
    if of_real_tokens and settings.init in ("gaussian", "tokens"):
        raise UsageError(
            f"the space {settings.space} is made of real tokens and starts from them",
            "Leave out --init, or start around words: --init in-context.",
        )
    single = optimizer.population_size == 1 and settings.init != "gaussian"
    if settings.init_scale == 0 and (of_real_tokens or not (single or settings.init == "tokens")):
        which = f"init {settings.init!r}" if kind == "full" else f"the space {settings.space}"
        raise UsageError(
            f"an init scale of 0 makes all candidates of {which} alike",
            "Use a positive number, such as 1.",
        )
    _check_sharing(settings, optimizer, kind)
    for init, start, option in (
        ("text", settings.init_text, "--init-text TEXT"),
        ("run", settings.init_run, "--init-run DIRECTORY"),
    ):
        if start is not None and settings.init != init:
            raise UsageError(
                f"a start {init} is used by init {init!r} alone", f"Add --init {init}."
            )
        if settings.init == init and not (start or "").strip():
            raise UsageError(f"a start at a {init} needs one", f"Give {option}.")


def _check_sharing(settings: Settings, optimizer: Optimizer, kind: str) -> None:
    if kind in OWN_STARTS and (settings.init or settings.has_start or settings.together):
        raise UsageError(
            f"a search in {settings.space} starts from {OWN_STARTS[kind]}",
            "Leave out --init, --init-run, --init-text and --together.",
        )
    if settings.placement == "prefix" and settings.together:
        raise UsageError(
            "a prefix has a unit for every number, and countries share numbers of one unit",
            "Use --placement after-bos.",
        )
    one_descent = isinstance(optimizer, Adam) and optimizer.population == 1 and kind == "full"
    if settings.together and (not one_descent or settings.compares_losses):
        raise UsageError(
            "countries are tuned together by one descent in the full space, to the end of the budget",
            "Use --optimizer adam, without --population, --space, --stall and --target-loss.",
        )

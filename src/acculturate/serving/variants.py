"""The variants of a model that a server offers: untouched, under each run's prompt, and asked as a persona.

A variant's name is the model name of requests: `embedded`, `embedded+china` for a run directory "china",
`embedded+persona:china` for the line that asks the model to answer as somebody from the run's country.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from acculturate.errors import UsageError
from acculturate.formatting import slug
from acculturate.model import LanguageModel, SoftPrompt
from acculturate.runs import Run, check_model, read_config
from acculturate.tuning.baselines import persona_line


@dataclass(frozen=True)
class Variant:
    """A way in which the model answers.

    Attributes:
        name: Model name of requests.
        country: Country that it is to answer like; empty for the untouched model.
        prompt: Virtual tokens in every text; those of a persona are the embeddings of its line.
        line: The line of a persona, which a conversation has in front.
        run: The run directory that the prompt is from.
    """

    name: str
    country: str = ""
    prompt: SoftPrompt | None = None
    line: str = ""
    run: Path | None = None


def load_variants(model: LanguageModel, runs: Sequence[Run]) -> dict[str, Variant]:
    """Return the variants of a model by their names, the untouched model first.

    Args:
        model: The model.
        runs: Finished runs on it.

    Raises:
        UsageError: A run was made with another model or is named twice, or two have the same name.
    """
    base = Path(model.name).resolve().name if Path(model.name).exists() else model.name
    variants = [Variant(base)]
    personas: dict[str, Variant] = {}
    directories = [run.directory.resolve() for run in runs]
    for run in runs:
        if directories.count(run.directory.resolve()) > 1:
            raise UsageError(f"{run.directory} is named twice", "Name every run once.")
        check_model(run.directory, run.soft_prompt, model)
        country = read_config(run.directory).survey.country
        name = run.directory.resolve().name
        variants.append(Variant(f"{base}+{name}", country, run.soft_prompt, run=run.directory))
        persona = f"{base}+persona:{slug(country)}"
        if persona not in personas:
            line = persona_line(country)
            embeddings = model.embed_text(f"{line}\n")
            prompt = SoftPrompt(embeddings, "after-bos", model.name)
            personas[persona] = Variant(persona, country, prompt, line)
    named = {variant.name: variant for variant in (*variants, *personas.values())}
    if len(named) < len(variants) + len(personas):
        raise UsageError(
            "two runs would have the same name: " + ", ".join(str(run.directory) for run in runs),
            "Rename a run directory: its name is the name of the variant.",
        )
    return named

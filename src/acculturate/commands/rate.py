"""`acculturate rate`: answers judged blind by people."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

import acculturate as ac
from acculturate import display, terminal
from acculturate.commands.loading import check_server, load
from acculturate.commands.options import Seed


def prepare(
    runs: list[Path],
    *,
    questions: str = "everyday",
    pairs: Annotated[int, typer.Option(min=1)] = 60,
    out: Path,
    seed: Seed = 0,
    model: str | None = None,
    device: str = "auto",
    trust_remote_code: bool = False,
    any_model: bool = False,
    as_json: bool = False,
) -> None:
    """Write answers to open questions and pair them for a blind rating.

    The untouched model, the model with a persona line and every run answer.

    Options:
        runs: Directories of finished runs of one country.
        questions: Open questions: everyday, which comes with the package, or a TOML file (docs/rating.md).
        pairs: Number of pairs; a tenth are two answers of the untouched model.
        out: Folder of the rating.
        seed: Random seed of answers and pairs.
        model: Name or path of the model, where it is not the one in the runs' settings.
    """
    from acculturate.evaluation.evaluate import made_with
    from acculturate.metrics.questions import load_questions
    from acculturate.rating.prepare import prepare as prepare_pairs

    asked = load_questions(questions)
    loaded = [ac.Run.load(run, any_model=any_model) for run in runs]
    name, revision, dtype, chat = made_with(loaded[0], model)
    answering = load(name, revision, dtype, device, trust_remote_code, chat)
    made = prepare_pairs(loaded, answering, asked, pairs=pairs, out=out, seed=seed)
    value = {
        "folder": str(made.folder),
        "country": made.country,
        "questions": made.questions,
        "pairs": [{"variants": names, "pairs": count} for names, count in made.contrasts.items()],
    }
    rows = [(*names, count) for names, count in made.contrasts.items()]
    title = f"Pairs on {made.questions} questions, to be judged for {made.country}"
    below = [f"`acculturate rate serve {made.folder}` shows them; keep key.json from the raters."]
    display.print_result(
        as_json,
        value,
        lambda: display.show_table(title, ("", "", "pairs"), rows, left=2, below=below),
    )


def rating_report(
    folder: Path,
    *,
    difference: float = 0.1,
    seed: Seed = 0,
    as_json: bool = False,
) -> None:
    """Open the key of a rating and report what raters judged.

    Writes report.html, judgements.csv and preferences.jsonl (prompt, chosen, rejected) into the folder, and the
    result into each run, whose own report shows it.

    Options:
        folder: Folder of the rating.
        difference: Difference from half of the wins that the number of judgements needed is for.
        seed: Random seed for the bootstrap over raters and questions.
    """
    from acculturate.rating.report import report_ratings, to_dict

    reported = report_ratings(folder, seed=seed, difference=difference)

    def show() -> None:
        for table in reported.tables:
            rows = [[f"{a} ({b})" if b else a for a, b in row] for row in table.rows]
            display.show_table(table.title, table.header, rows, caption=table.caption)
        display.show_lines(f"- {sentence}" for sentence in reported.sentences)
        display.show_lines(
            f"- {run} was not written to: {why}" for run, why in reported.left_out.items()
        )
        display.show_lines(map(str, reported.files))

    display.print_result(as_json, to_dict(reported), show)


def serve_rating(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8001,
) -> None:
    """Show the pairs of a rating to people in their browsers.

    Every judgement is on the disk before it is confirmed; Ctrl-C stops, and the same command goes on.

    Options:
        folder: Folder of the rating; its key is not read.
        host: Address to listen on; beyond this machine, browsers ask for the key in ACCULTURATE_API_KEY.
        port: Port to listen on; 0 takes one that is free.
    """
    check_server("rate")
    from acculturate.rating.app import open_app
    from acculturate.serving.web import API_KEY, check_key, open_socket, run_app, url_of

    key = check_key(host, os.environ.get(API_KEY))
    with open_app(folder, host, key) as app, open_socket(host, port) as listening:
        terminal.say(
            f"Raters find the pairs of {folder} at {url_of(host, listening)}; Ctrl-C stops."
        )
        run_app(app, listening)

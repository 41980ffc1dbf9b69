"""Many clients at `acculturate serve`: are the answers those alone, does memory stay, and how fast is it?

    python benchmarks/serving_load.py runs/china                # 16 clients for 5 minutes
    python benchmarks/serving_load.py runs/china --minutes 0.5

Every variant is first asked every question by a single client, greedily. Then many clients ask mixed variants
at once, greedily again, and every tenth request is left in the middle. Printed: answers that differ from those
alone, errors, the server's memory as time goes on, and tokens a second: of many clients, of one, and of plain
transformers. Needs Linux, and the extras serve and dev.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openai import APIError, OpenAI

from acculturate.evaluation.evaluate import made_with
from acculturate.model import load_model
from acculturate.runs import Run

QUESTIONS = (
    "What makes a good day?",
    "How should children speak to their grandparents?",
    "What do you do when a colleague makes a mistake?",
    "Describe a wedding.",
)
TOKENS = 32
LEFT = 0.1
"""Share of the requests that are left in the middle."""


@dataclass
class Tally:
    """What clients met."""

    answers: int = 0
    tokens: int = 0
    left: int = 0
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def serving(run: Path) -> Generator[tuple[str, int]]:
    """Serve a run on a free port while the body runs; yield the address and the process."""
    command = [sys.executable, "-m", "acculturate", "serve", str(run), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if found := re.search(r"at (http://\S+/v1)", line):
                    break
                print(line, end="", file=sys.stderr)
            else:
                sys.exit("the server did not start")
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield found[1], process.pid
            if process.poll() is not None:
                sys.exit(f"the server crashed: {process.returncode}")
        finally:
            process.terminate()


def memory(pid: int) -> float:
    """Return the memory that a process holds, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def ask(client: OpenAI, variant: str, question: str) -> tuple[str, int]:
    """Return the greedy reply of a variant to a question, and the number of its tokens."""
    made: Any = client.chat.completions.create(
        model=variant,
        messages=[{"role": "user", "content": question}],
        temperature=0,
        max_tokens=TOKENS,
    )
    return made.choices[0].message.content, made.usage.completion_tokens


def leave(client: OpenAI, variant: str, question: str) -> None:
    """Ask, and go away after a few words."""
    with client.completions.create(
        model=variant, prompt=question, max_tokens=200, temperature=0, stream=True
    ) as stream:
        for _ in zip(range(5), stream, strict=False):
            pass


def keep_asking(
    client: OpenAI, alone: dict[tuple[str, str], str], tally: Tally, until: float, seed: int
) -> None:
    """Ask mixed variants until a time, and note what differs from the answers alone."""
    draw = random.Random(seed)
    while time.monotonic() < until:
        variant, question = draw.choice(list(alone))
        try:
            if draw.random() < LEFT:
                leave(client, variant, question)
                tally.left += 1
                continue
            answer, tokens = ask(client, variant, question)
        except APIError as error:
            with tally.lock:
                tally.errors.append(str(error))
            continue
        with tally.lock:
            tally.answers += 1
            tally.tokens += tokens
            if answer != alone[variant, question]:
                tally.wrong.append(f"{variant}: {question}: {answer!r}")


def load(address: str, pid: int, clients: int, minutes: float) -> None:
    """Ask alone, then with many clients, and print what came of it."""
    client = OpenAI(base_url=address, api_key="none", max_retries=0, timeout=600)
    variants = [model.id for model in client.models.list()]
    for variant in variants:
        ask(client, variant, QUESTIONS[0])
    started, tokens, alone = time.monotonic(), 0, dict[tuple[str, str], str]()
    for variant in variants:
        for question in QUESTIONS:
            alone[variant, question], count = ask(client, variant, question)
            tokens += count
    single = tokens / (time.monotonic() - started)
    print(
        f"{len(alone)} answers alone, {len(set(alone.values()))} different ones: {single:.1f} tokens/s"
    )
    tally, started = Tally(), time.monotonic()
    until = started + 60 * minutes
    threads = [
        threading.Thread(target=keep_asking, args=(client, alone, tally, until, seed))
        for seed in range(clients)
    ]
    for thread in threads:
        thread.start()
    held: list[float] = []
    while any(thread.is_alive() for thread in threads):
        held.append(memory(pid))
        time.sleep(min(15.0, 4 * minutes))
    spent = time.monotonic() - started
    rate = tally.tokens / spent
    print(
        f"{clients} clients, {spent:.0f} s: {tally.answers} answers, {tally.left} left in the middle"
    )
    print(f"  answers that differ from those alone: {len(tally.wrong)}")
    print(f"  errors: {len(tally.errors)}")
    print(f"  tokens/s: {rate:.1f}, {rate / single:.2f} times a single client")
    print(f"  memory of the server [MB]: {', '.join(f'{mb:.0f}' for mb in held)}")
    for line in (tally.wrong + tally.errors)[:5]:
        print("   ", line)


def plain(run: Path) -> None:
    """Print the speed of plain transformers."""
    name, revision, dtype, chat = made_with(Run.load(run))
    model: Any = load_model(name, revision=revision, dtype=dtype, chat=chat)
    rows = [model.encode_chat([("user", question)]).tokens for question in QUESTIONS]
    started, tokens = time.monotonic(), 0
    for row in rows:
        inputs = model.tokenizer.pad({"input_ids": [list(row)]}, return_tensors="pt")
        made = model.network.generate(
            **inputs.to(model.network.device), max_new_tokens=TOKENS, do_sample=False
        )
        tokens += made.shape[1] - len(row)
    print(f"plain transformers, generate(): {tokens / (time.monotonic() - started):.1f} tokens/s")


def main() -> None:
    """Run it all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=5.0)
    given = parser.parse_args()
    print(f"threads: {os.environ.get('OMP_NUM_THREADS', 'all')}, processors: {os.cpu_count()}")
    with serving(given.run) as (address, pid):
        load(address, pid, given.clients, given.minutes)
    plain(given.run)


if __name__ == "__main__":
    main()

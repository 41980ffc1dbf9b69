"""What a candidate costs: the population evaluator beside the usual ways, in one process.

In: a language model and forms. Out: a `Benchmark`. All ways answer the same forms under the same soft
prompts, in turn, round after round, so that whatever else the machine does hits all of them; the
matrix-multiply rate is measured in the same rounds. Every figure is from the fastest round of its way:
a disturbance only ever slows down.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
import torch

from acculturate.errors import FailureError, UsageError
from acculturate.model.answers import Placement, Query
from acculturate.model.language_model import LanguageModel
from acculturate.survey.forms import Form
from measuring import machine
from measuring.setting import VIRTUAL_TOKENS, about, gaussian_population
from measuring.usual_ways import PlainWays
from measuring.work import Work, population_work

Way = Literal["generate", "single", "padded", "population"]
WAYS: tuple[Way, ...] = get_args(Way)
NEW_TOKENS = 4
_SQUARE = 2048

Progress = Callable[[str], None]
_Ask = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Benchmark:
    """What asking cost.

    Attributes:
        model: The model's name.
        placement: Where the soft prompts stood.
        forms: Forms asked of each candidate.
        candidates: Soft prompts in the population.
        virtual_tokens: Tokens of a soft prompt.
        new_tokens: Tokens that `generate` wrote at most.
        seconds: For each way, its seconds for the whole population, round by round.
        tokens_per_candidate: For each way, the tokens it computes for one candidate, padding included.
        matmul_gflops: The best matrix-multiply rate of all rounds and shapes, in 1e9 operations a
            second.
        matmul_shapes: The shapes tried, rows x inner x columns, and the best rate of each.
        work: Operations of one candidate in ours.
        peak_memory_mb: For each way, the most memory in use during its first pass, in 1e6 bytes: what
            torch allocated on a GPU, else the resident memory of the whole process. None where the
            system does not tell.
        loaded_memory_mb: The same before the first pass: weights, libraries, tokenizer.
        differences: For each pair of ways, the largest difference in an option's probability.
        about: Machine and versions.
    """

    model: str
    placement: Placement
    forms: int
    candidates: int
    virtual_tokens: int
    new_tokens: int
    seconds: dict[Way, list[float]]
    tokens_per_candidate: dict[Way, int]
    matmul_gflops: float
    matmul_shapes: dict[str, float]
    work: Work
    peak_memory_mb: dict[Way, float | None]
    loaded_memory_mb: float | None
    differences: dict[str, float]
    about: dict[str, Any]

    def candidates_per_second(self, way: Way) -> float | None:
        """Of its fastest round; None where it did not run."""
        return self.candidates / min(self.seconds[way]) if way in self.seconds else None

    def tokens_per_second(self, way: Way) -> float | None:
        """Tokens computed a second."""
        rate = self.candidates_per_second(way)
        return None if rate is None else rate * self.tokens_per_candidate[way]

    def ratio(self, way: Way) -> float | None:
        """How many times as fast as a way ours is."""
        ours, theirs = self.candidates_per_second("population"), self.candidates_per_second(way)
        return None if ours is None or theirs is None else ours / theirs

    @property
    def population_gflops(self) -> float | None:
        """Operations a second of ours, in 1e9."""
        rate = self.candidates_per_second("population")
        return None if rate is None else rate * self.work.computed / 1e9

    @property
    def matmul_share(self) -> float | None:
        """Share of the machine's matrix-multiply rate that ours reaches."""
        ours = self.population_gflops
        return None if ours is None else ours / self.matmul_gflops

    @property
    def largest_difference(self) -> float | None:
        """The largest difference in an option's probability between any two ways."""
        return max(self.differences.values(), default=None)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; a way that did not run is null."""
        return {
            "model": self.model,
            "placement": self.placement,
            "forms": self.forms,
            "candidates": self.candidates,
            "virtual_tokens": self.virtual_tokens,
            "new_tokens": self.new_tokens,
            "candidates_per_second": {way: self.candidates_per_second(way) for way in WAYS},
            "ratios": {way: self.ratio(way) for way in WAYS if way != "population"},
            "tokens_per_candidate": self.tokens_per_candidate,
            "tokens_per_second": {way: self.tokens_per_second(way) for way in WAYS},
            "seconds": self.seconds,
            "flops_per_candidate": self.work.computed,
            "flops_needed_per_candidate": self.work.needed,
            "work": asdict(self.work),
            "population_gflops": self.population_gflops,
            "matmul_gflops": self.matmul_gflops,
            "matmul_shapes": self.matmul_shapes,
            "matmul_share": self.matmul_share,
            "peak_memory_mb": self.peak_memory_mb.get("population"),
            "peak_memory_mb_by_way": self.peak_memory_mb,
            "loaded_memory_mb": self.loaded_memory_mb,
            "largest_difference": self.largest_difference,
            "differences": self.differences,
            **self.about,
        }


def evaluate(
    model: LanguageModel,
    forms: Sequence[Form],
    *,
    candidates: int = 4,
    rounds: int = 3,
    ways: Sequence[Way] = WAYS,
    placement: Placement = "front",
    new_tokens: int = NEW_TOKENS,
    progress: Progress = lambda _: None,
) -> Benchmark:
    """Time the ways to ask a population.

    Args:
        model: Who is asked.
        forms: What is asked.
        candidates: Soft prompts in the population: Gaussian, with the spread of the embeddings.
        rounds: Turns of every way.
        ways: Which ways.
        placement: Where the soft prompts go.
        new_tokens: Tokens that `generate` may write.
        progress: Called with a sentence at every step.

    Raises:
        UsageError: Nothing would be measured.
    """
    if min(candidates, rounds, new_tokens) < 1 or not ways or not forms:
        raise UsageError(
            f"{candidates} candidates, {rounds} rounds and {new_tokens} new tokens measure nothing",
            "Give at least 1 of each.",
        )
    if any(form.word_set is not None for form in forms) and set(ways) != {"population"}:
        raise UsageError(
            "the usual ways read one token, and answers in words have several",
            "Time ours alone: --only population.",
        )
    device: torch.device = model.network.device
    population = gaussian_population(model, candidates)
    plain = PlainWays(model, forms, placement, new_tokens)

    def ours(population: np.ndarray) -> np.ndarray:
        return model.ask(population, Query(forms, placement=placement)).probabilities

    # Ours comes first, so that no other way's memory can stand in for its own.
    asks: dict[Way, _Ask] = {
        "population": ours,
        "single": plain.single,
        "generate": plain.generate,
        "padded": plain.padded,
    }
    asks = {way: ask for way, ask in asks.items() if way in ways}
    machine.forget_peak(device)
    loaded = machine.peak_memory_mb(device)
    peaks = _first_passes(asks, population, device, progress)
    asks = {way: ask for way, ask in asks.items() if way in peaks}
    work = population_work(model, forms, VIRTUAL_TOKENS, placement)
    shapes = _matmul_shapes(model, work.tokens)
    rates: list[list[float]] = []
    seconds: dict[Way, list[float]] = {way: [] for way in asks}
    answers: dict[Way, np.ndarray] = {}
    for turn in range(rounds):
        rates.append(machine.matmul_rates(shapes, model.network.dtype, device))
        order = deque(asks)
        order.rotate(-turn)
        for way in order:
            progress(f"round {turn + 1} of {rounds}: {way}")
            answers[way], spent = machine.timed(device, asks[way], population)
            seconds[way].append(spent)
    best = [max(column) / 1e9 for column in zip(*rates, strict=True)]
    return Benchmark(
        model=model.name,
        placement=placement,
        forms=len(forms),
        candidates=candidates,
        virtual_tokens=VIRTUAL_TOKENS,
        new_tokens=new_tokens,
        seconds=seconds,
        tokens_per_candidate=_tokens(plain.lengths(VIRTUAL_TOKENS), new_tokens, work.tokens),
        matmul_gflops=max(best),
        matmul_shapes={
            " x ".join(map(str, shape)): rate for shape, rate in zip(shapes, best, strict=True)
        },
        work=work,
        peak_memory_mb=peaks,
        loaded_memory_mb=loaded,
        differences={
            f"{one}, {other}": float(np.abs(answers[one] - answers[other]).max())
            for one, other in combinations(answers, 2)
        },
        about=about(model),
    )


def _first_passes(
    asks: Mapping[Way, _Ask], population: np.ndarray, device: torch.device, progress: Progress
) -> dict[Way, float | None]:
    """Peak memory of every way that fits; the usual ways hold one candidate at a time."""
    peaks: dict[Way, float | None] = {}
    for way, ask in asks.items():
        progress(f"first pass: {way}")
        machine.forget_peak(device)
        try:
            ask(population if way == "population" else population[:1])
        except torch.OutOfMemoryError:
            progress(f"{way} does not fit into the device's memory and is left out")
            torch.cuda.empty_cache()
        else:
            peaks[way] = machine.peak_memory_mb(device)
    if not peaks:
        raise FailureError(
            "not one way fits into the device's memory", "Ask fewer forms, or use a larger device."
        )
    return peaks


def _tokens(lengths: Sequence[int], new_tokens: int, ours: int) -> dict[Way, int]:
    return {
        # The last token that `generate` writes is never read again.
        "generate": sum(lengths) + len(lengths) * (new_tokens - 1),
        "single": sum(lengths),
        "padded": len(lengths) * max(lengths),
        "population": ours,
    }


def _matmul_shapes(model: LanguageModel, rows: int) -> list[tuple[int, int, int]]:
    """List a square that fits the cache, the model's widest layer, and on a GPU a square that fills it."""
    config: Any = model.network.config.get_text_config()
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    shapes = [(_SQUARE, _SQUARE, _SQUARE), (rows, int(config.hidden_size), int(inner))]
    if model.network.device.type == "cuda":
        shapes.append((4 * _SQUARE, 4 * _SQUARE, 4 * _SQUARE))
    return shapes

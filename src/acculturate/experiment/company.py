"""Cells that go through the model together: their populations share its forwards.

In: a model, and how many places its forward has. Out: a `Seat` for each cell, which the cell takes for the
model. A forward runs when every cell of the company waits for one. It always has the same shape, and a cell
always the same place in it, so that a candidate's answers have the same bits whoever else is there: a
company that was stopped goes on as if it had not been. An empty place is filled with somebody's candidates
again, and costs what a full one does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from jaxtyping import Float

from acculturate.experiment.stand_in import StandIn
from acculturate.model.answers import (
    AnswerModel,
    Answers,
    Backward,
    Cotangent,
    DifferentiableModel,
    Query,
)

_Work = Callable[[Mapping[int, Any]], Mapping[int, Any]]
"""Takes what each place gives to what each place gets."""


@dataclass
class _Request:
    """What a cell waits for.

    Attributes:
        key: What a forward has to have in common.
        given: The cell's own part of it.
        work: Answers those of one key together.
        result: What it came to.
        error: Or why it did not.
        done: Whether one of the two is there.
    """

    key: object
    given: Any
    work: _Work
    result: Any = None
    error: Exception | None = None
    done: bool = False


class Company:
    """Who shares the forwards of one model.

    Args:
        model: The model; nobody else asks it meanwhile, or it can be asked by several at once.
        places: Cells in a forward.
        stop: Set where all should stop: whoever asks then is interrupted.
    """

    def __init__(self, model: AnswerModel, places: int, stop: threading.Event) -> None:
        self._model, self._places, self._stop = model, places, stop
        self._turn = threading.Condition()
        self._reached: dict[int, int] = {}
        self._waiting: dict[int, _Request] = {}

    @contextmanager
    def seat(self, place: int) -> Generator[Seat]:
        """A cell's place, from 0 on, as long as the cell runs."""
        with self._turn:
            self._reached[place] = 0
        try:
            yield Seat(self._model, self, place)
        finally:
            with self._turn:
                del self._reached[place]
                self._waiting.pop(place, None)  # where it was interrupted as it waited
                self._turn.notify_all()

    def reached(self, place: int, evaluations: int) -> None:
        """Notes how far a cell is: those behind go first, so that all come to ask the same."""
        with self._turn:
            self._reached[place] = evaluations

    def alone(self, method: str, *given: Any, **named: Any) -> Any:
        """Calls a method of the model for one cell."""
        with self._turn:
            self._check()
            return getattr(self._model, method)(*given, **named)

    def together(self, place: int, key: object, given: Any, work: _Work) -> Any:
        """Waits until all cells wait, and gets a place's part of what they come to together.

        Args:
            place: Who asks.
            key: What those of one forward have in common.
            given: The part of this place.
            work: Answers all that have this key.
        """
        mine = _Request(key, given, work)
        with self._turn:
            self._waiting[place] = mine
            while not mine.done:
                self._check()
                if self._waiting.keys() == self._reached.keys():
                    self._answer()
                    self._turn.notify_all()
                else:
                    self._turn.wait()
        if mine.error is not None:
            raise mine.error
        return mine.result

    def _check(self) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt

    def filled(self, given: Mapping[int, np.ndarray]) -> np.ndarray:
        """What some places give, `[candidate, ...]`, as one array in which every place has its part."""
        somebody = next(iter(given.values()))
        return np.concatenate([given.get(place, somebody) for place in range(self._places)])

    def _answer(self) -> None:
        """Answers those that are least far, each key in a forward of its own."""
        least = min(self._reached.values())
        turn = {p: self._waiting.pop(p) for p, far in sorted(self._reached.items()) if far == least}
        for key in dict.fromkeys(request.key for request in turn.values()):
            same = {place: request for place, request in turn.items() if request.key == key}
            work = next(iter(same.values())).work
            try:
                results = work({place: request.given for place, request in same.items()})
                for place, request in same.items():
                    request.result = results[place]
            except Exception as error:
                for request in same.values():
                    request.error = error
            for request in same.values():
                request.done = True


class Seat(StandIn):
    """The model as a cell of a company sees it; see `AnswerModel` and `DifferentiableModel`.

    Args:
        model: The model.
        company: Who shares it.
        place: This cell's place.
    """

    def __init__(self, model: AnswerModel, company: Company, place: int) -> None:
        self.name, self.hidden_size = model.name, model.hidden_size
        self._model, self._company, self._place = model, company, place

    def reached(self, evaluations: int) -> None:
        """Tells the company how far the search is."""
        self._company.reached(self._place, evaluations)

    def pass_on(self, method: str, *given: Any, **named: Any) -> Any:
        """See `StandIn.pass_on`."""
        return self._company.alone(method, *given, **named)

    def embedding_scale(self) -> float:
        """See `AnswerModel.embedding_scale`."""
        return self.pass_on("embedding_scale")

    def embed_random_tokens(
        self, count: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "count hidden"]:
        """See `AnswerModel.embed_random_tokens`."""
        return self.pass_on("embed_random_tokens", count, rng)

    def ask(
        self,
        prompts: Float[np.ndarray, "candidate token hidden"] | None,
        query: Query,
    ) -> Answers:
        """See `AnswerModel.ask`; a population goes with the others'."""
        if prompts is None or len(prompts) < 2:
            return self.pass_on("ask", prompts, query)

        def work(given: Mapping[int, np.ndarray]) -> Mapping[int, Answers]:
            answers = self._model.ask(self._company.filled(given), query)
            return {place: answers.of(_part(place, len(prompts))) for place in given}

        key = "ask", prompts.shape, query
        return self._company.together(self._place, key, prompts, work)

    def ask_with_gradient(
        self,
        prompts: Float[np.ndarray, "candidate token hidden"],
        query: Query,
    ) -> tuple[Answers, Backward]:
        """See `DifferentiableModel.ask_with_gradient`; forwards and ways back go with the others'."""
        model, count = cast("DifferentiableModel", self._model), len(prompts)

        def work(given: Mapping[int, np.ndarray]) -> Mapping[int, tuple[Answers, Backward]]:
            answers, shared = model.ask_with_gradient(self._company.filled(given), query)
            return {place: (answers.of(_part(place, count)), shared) for place in given}

        key = "ask with gradient", prompts.shape, query
        answers, shared = self._company.together(self._place, key, prompts, work)

        def all_back(given: Mapping[int, Cotangent]) -> Mapping[int, np.ndarray]:
            gradient = shared(self._joined(given))
            return {place: gradient[_part(place, count)] for place in given}

        def backward(cotangent: Cotangent) -> Float[np.ndarray, "candidate token hidden"]:
            key = "pull back", id(shared)
            return self._company.together(self._place, key, cotangent, all_back)

        return answers, backward

    def _joined(self, given: Mapping[int, Cotangent]) -> Cotangent:
        def column(name: str) -> np.ndarray | None:
            parts = {place: getattr(one, name) for place, one in given.items()}
            return None if next(iter(parts.values())) is None else self._company.filled(parts)

        return Cotangent(
            self._company.filled({place: one.probabilities for place, one in given.items()}),
            column("valid_mass"),
            column("divergence"),
        )


def _part(place: int, count: int) -> slice:
    return slice(place * count, (place + 1) * count)

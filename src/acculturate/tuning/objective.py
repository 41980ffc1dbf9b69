"""The objective: soft prompts -> loss, and violation of the limits on degradation.

It is made of tuning forms and tuning guard texts, and refuses held-out forms. It asks all its forms of every
candidate, or a sample of them that is drawn anew for every generation and is the same for all its candidates.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from acculturate.metrics.guard import Texts
from acculturate.model.answers import (
    Answering,
    AnswerModel,
    Answers,
    Cotangent,
    DifferentiableModel,
    Exchange,
    Query,
    join_answers,
)
from acculturate.model.asking import ask, ask_with_gradient
from acculturate.model.soft_prompt import Prompts
from acculturate.survey.forms import Form
from acculturate.survey.scoring import item_values
from acculturate.survey.selection import draw_forms
from acculturate.tuning.aim import Aim, Losses
from acculturate.tuning.task import Task


@dataclass(frozen=True)
class PopulationEvaluation:
    """The evaluation of a population.

    Attributes:
        loss: Loss of the mean scores to the target, or to the untouched ones with the wanted shift; infinite
            where answers are not finite.
        objective: The quantity minimised: the loss of the setting `objective`, plus the weighted divergence,
            and that from a teacher, where there is one.
        violation: Amount past the limits on divergence and valid mass; 0 within them or without any.
        scores: Dimension scores.
        divergence: Divergence on the tuning guard texts, or None where they were not read.
        perplexity: Perplexity of the tuning guard texts, or None likewise.
        gradient: Gradient of the descended quantity in the soft prompts, or None where not asked for.
        tokens: Tokens that went through the model, all candidates together.
    """

    loss: Float[np.ndarray, " candidate"]
    objective: Float[np.ndarray, " candidate"]
    violation: Float[np.ndarray, " candidate"]
    scores: Float[np.ndarray, "candidate dimension"]
    divergence: Float[np.ndarray, " candidate"] | None
    perplexity: Float[np.ndarray, " candidate"] | None
    gradient: Prompts | None
    tokens: int


class Objective:
    """Asks tuning forms and scores the answers.

    Args:
        model: Answers the forms.
        task: Forms, scores to reach, settings.
        requires: Parts that an optimiser needs beside objective and violation: "secondary" is the divergence
            on the guard texts, which are else read where a limit needs them; "gradient".
        measured: The same model, which remembers untouched answers and what the result table asks; `model`
            if None.
        questionnaires: Number of those in whose mean objective this one stands. What it says of text counts
            so many times.

    Attributes:
        aim: What the answers have to become.

    Raises:
        ValueError: A form is held out.
    """

    def __init__(
        self,
        model: AnswerModel,
        task: Task,
        requires: Collection[str] = (),
        measured: Answering | None = None,
        questionnaires: int = 1,
    ) -> None:
        if any(form.split != "tuning" for form in (*task.forms, *task.measured)):
            raise ValueError("the objective never sees a held-out form")
        self._model, self._task, self._requires = model, task, requires
        self._measured = measured or model
        self._constraints = task.settings.constraints.times(questionnaires)
        self._distillation = questionnaires * (task.settings.distillation or 0.0)
        self._sample = task.settings.sample_size(task.scoring.instrument)
        reads_guard = "secondary" in requires or self._constraints.reads_guard
        self._texts = task.guard.fixed if reads_guard else ()
        # A limit is one for all generations only where they read the same texts.
        self._draws_texts = bool(self._sample) and self._constraints.max_divergence is None
        self.aim = Aim(self._measured, task)

    @property
    def size(self) -> int:
        """Number of forms and texts that an evaluation asks."""
        # An answer, by the teacher and by the prompt.
        taught = 0 if self._task.lessons is None else 2
        return (self._sample or len(self._task.forms)) + len(self._texts) + taught

    def evaluate(self, prompts: Prompts, rng: np.random.Generator) -> PopulationEvaluation:
        """Evaluate a population; the stream draws forms, texts and the respondents of reading "sampled"."""
        if "gradient" in self._requires:
            return self.evaluate_with_gradient(prompts, rng)
        losses = self.aim.losses(self._draw(rng))
        return self._score(ask(self._model, prompts, self._query(losses, rng)), losses, rng)

    def compare(self, prompts: Prompts, rng: np.random.Generator) -> PopulationEvaluation:
        """Evaluate prompts of different generations on the same forms, asked as the result table asks them.

        What a teacher's answers would add is left out.
        """
        measured, placement = self._task.measured, self._task.settings.placement
        losses = self.aim.losses(measured, pool=measured)
        answers = ask(self._measured, prompts, self._task.query(self._task.before(losses.forms)))
        if self._texts:
            every = self._task.guard.read_every
            texts = Query(texts=self._texts, placement=placement, read_every=every)
            guard = ask(self._measured, prompts, texts)
            answers = replace(
                answers,
                divergence=guard.divergence,
                perplexity=guard.perplexity,
                tokens=answers.tokens + guard.tokens,
            )
        return self._score(answers, losses, rng)

    def evaluate_with_gradient(
        self, prompts: Prompts, rng: np.random.Generator
    ) -> PopulationEvaluation:
        """Evaluate a population and differentiate the objective in every prompt.

        A loss of scores is an absolute difference, whose derivative is its sign; a candidate past a limit
        is led back by a steep gradient of the violation.

        Raises:
            TypeError: The model is no `DifferentiableModel`.
        """
        if not isinstance(self._model, DifferentiableModel):
            raise TypeError(f"{self._model.name} gives no gradients")
        losses = self.aim.losses(self._draw(rng))
        query, lesson = self._query(losses, rng), self._lesson(rng)
        answers: list[Answers] = []
        gradients: list[np.ndarray] = []
        taught = np.zeros(len(prompts))
        for row in range(len(prompts)):  # one backward pass at a time: its activations are large
            answer, backward = ask_with_gradient(self._model, prompts[row : row + 1], query)
            gradients.append(backward(self._cotangent(answer, losses)))
            if lesson is not None:
                taught[row], gradient = self._learn(prompts[row : row + 1], lesson)
                gradients[-1] = gradients[-1] + gradient
            answers.append(answer)
        return self._score(join_answers(answers), losses, rng, np.concatenate(gradients), taught)

    def _lesson(self, rng: np.random.Generator) -> Query | None:
        """Draw an answer of the teacher to learn, if there is one: its reference is what the teacher reads."""
        lessons = self._task.lessons
        if lessons is None:
            return None
        at = int(rng.spawn(1)[0].integers(len(lessons.questions)))
        question, answer = lessons.questions[at], lessons.answers[at]
        line = f"{self._task.line}\n" if self._task.line else ""
        return Query(
            texts=[Exchange(line + question, answer)],
            reference=[Exchange(lessons.context + question, answer)],
            placement=self._task.settings.placement,
        )

    def _learn(self, prompt: Prompts, lesson: Query) -> tuple[float, Prompts]:
        """Return the weighted divergence of one candidate from the teacher, and its gradient."""
        assert isinstance(self._model, DifferentiableModel)
        weight = self._distillation
        answers, backward = ask_with_gradient(self._model, prompt, lesson)
        assert answers.divergence is not None
        cotangent = Cotangent(answers.probabilities * 0, divergence=np.array([weight]))
        return weight * float(answers.divergence[0]), backward(cotangent)

    def _draw(self, rng: np.random.Generator) -> tuple[Form, ...]:
        pool = self._task.forms
        return pool if self._sample is None else draw_forms(pool, self._sample, rng)

    def _query(self, losses: Losses, rng: np.random.Generator) -> Query:
        texts: Texts = self._texts
        if texts and self._draws_texts:  # from a stream of its own: forms and respondents stay
            texts = self._task.guard.draw(rng.spawn(1)[0])
        return Query(
            self._task.before(losses.forms),
            texts=texts,
            read_every=self._task.guard.read_every,
            placement=self._task.settings.placement,
            valid_mass=self._constraints.reads_mass,
            pool=self._task.forms,
        )

    def _score(
        self,
        answers: Answers,
        losses: Losses,
        rng: np.random.Generator,
        gradient: Prompts | None = None,
        taught: Float[np.ndarray, " candidate"] | float = 0.0,
    ) -> PopulationEvaluation:
        scoring, values = self._task.scoring, self._task.values(answers, rng)
        scores = scoring.scores_of(values, losses.forms)
        loss, minimised = losses.of_means.value(values), losses.minimised.value(values)
        broken = ~np.isfinite(values).all(axis=1)
        loss[broken], minimised[broken] = np.inf, np.inf
        mass = None if answers.valid_mass is None else answers.valid_mass.mean(axis=1)
        return PopulationEvaluation(
            loss=loss,
            objective=self._constraints.objective(minimised, answers.divergence) + taught,
            violation=self._constraints.violation(answers.divergence, mass, len(values)),
            scores=scores,
            divergence=answers.divergence,
            perplexity=answers.perplexity,
            gradient=gradient,
            tokens=answers.tokens * len(values),
        )

    def _cotangent(self, answers: Answers, losses: Losses) -> Cotangent:
        """Return the gradient of what a search descends in one candidate's expected answers."""
        values = item_values(answers.probabilities, "expected")
        in_answers = losses.minimised.gradient(values)
        numbers = np.arange(1, answers.probabilities.shape[2] + 1, dtype=np.float64)
        mass = None if answers.valid_mass is None else float(answers.valid_mass.mean())
        divergence = None if answers.divergence is None else float(answers.divergence[0])
        in_divergence, in_mass = self._constraints.gradient(divergence, mass)
        return Cotangent(
            probabilities=(in_answers[:, None] * numbers)[None],
            valid_mass=None if mass is None else np.full(values.shape, in_mass / values.size),
            divergence=None if divergence is None else np.array([in_divergence]),
        )

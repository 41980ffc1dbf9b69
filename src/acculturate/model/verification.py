"""The proof, once for every loaded model, that what is measured is what the model itself gives.

The evaluator merges sequences into one row, takes the model's attention from it and reads logits from its
parts. Here a few sequences run both ways, and the log-probabilities of the whole vocabulary are compared
position by position. In float32 they agree to 1e-3, or there is a fault. Half precision would hide a fault
in its rounding: a model of half precision is proved in float32, and in its own precision may be off from
that hardly more than the model itself is.

A model that fails takes a slower path, proved the same. One that gives other numbers for a text's
embeddings than for its token ids, or that reads ahead, is refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from transformers import PreTrainedModel

from acculturate.errors import FailureError
from acculturate.formatting import first_line
from acculturate.model.encoding import FormEncoder
from acculturate.model.forward import PATHS, Forward, count_positions, does_not_fit
from acculturate.model.layers import in_float32
from acculturate.model.probe import READ, SHORTEST, Probe
from acculturate.progress import task

_USUAL = 64
"""Tokens that are covered at first, where the model has as many positions."""
_MARGIN = 16
"""Tokens more than are asked for: a soft prompt often follows the same forms without one."""
_TOLERANCE = 1e-3
"""Largest difference of two log-probabilities in float32."""
_ONE_ENTRANCE = "Use a model whose tokens enter through its embedding layer alone."
_TIMES_ITS_OWN, _BESIDES = 3.0, 0.05
"""How far off rounded numbers may be: in multiples of what the model's own rounding makes, and besides."""


class _Fault(Exception):
    """The forward pass is not right."""


class _CannotRun(FailureError):
    """The model does not run by itself."""


class Verification:
    """The proof of one model's forward pass.

    Args:
        name: The model's name, for messages.
        network: The frozen model.
        encoder: Encodes texts for it.
        forward: Its forward pass, which is told to take a slower path where it is not right.
        on_change: Called when it was.
    """

    def __init__(
        self,
        name: str,
        network: PreTrainedModel,
        encoder: FormEncoder,
        forward: Forward,
        on_change: Callable[[], None],
    ) -> None:
        self._network: Any = network
        self._model = f"{name} ({type(network).__name__})"
        self._encoder, self._forward, self._on_change = encoder, forward, on_change
        # What is quantised is rounded whatever it computes in.
        self._in_float32 = all(weight.is_floating_point() for weight in network.parameters())
        self._covered = 0

    @torch.no_grad()
    def cover(self, longest: int) -> None:
        """Prove the forward pass for sequences of up to `longest` tokens, if that was not done yet.

        Raises:
            FailureError: The model cannot be measured; the message says why.
        """
        if longest <= self._covered:
            return
        positions = count_positions(self._network) or _USUAL
        wanted = max(longest + _MARGIN, self._covered * 5 // 4, _USUAL)
        length = max(longest, min(wanted, positions), SHORTEST)
        try:
            with task("checking that the model is run rightly"):
                self._find_path(length)
        except torch.OutOfMemoryError as error:
            raise does_not_fit(length) from error
        except FailureError as error:
            if longest <= positions:
                raise
            raise FailureError(
                f"{self._model} reads {positions} tokens at most, and a form with its soft prompt has "
                f"{longest}",
                "Use shorter forms, fewer virtual tokens (--tokens), or another model.",
            ) from error
        self._covered = length

    def _find_path(self, length: int) -> None:
        """Let the forward pass take the fastest path that is right."""
        whole = Probe(self._encoder, self._forward, length)
        brief = Probe(self._encoder, self._forward, SHORTEST)
        self._own(brief, brief.alone)
        rounded = self._own(brief, brief.front) if self._rounds() else None
        reason = ""
        while True:
            try:
                self._prove(whole, brief, rounded)
                break
            except _Fault as fault:
                reason = reason or str(fault)
                slower = PATHS.index(self._forward.path) + 1
                if slower == len(PATHS):
                    raise FailureError(
                        f"{self._model} cannot be measured: asked the same twice, it answers differently "
                        f"({fault})"
                    ) from fault
                self._forward.take(PATHS[slower])
                self._on_change()
        if reason and self._forward.path == PATHS[-1]:
            warnings.warn(
                f"{self._model} is asked forms one by one, which is right but slow: merged into one row, "
                f"{reason}",
                stacklevel=2,
            )

    def _prove(self, whole: Probe, brief: Probe, rounded: torch.Tensor | None) -> None:
        """Compare the path that the forward pass takes with the model's own way.

        Raises:
            _Fault: They differ.
        """
        exact = self._prove_precisely(whole)
        if rounded is None or not self._in_float32:
            return
        ours, exact = self._ours(brief.our_soft)[:-READ], exact[2 * READ : -2 * READ]
        off, own_off = _spread(ours - exact), _spread(rounded - exact)
        if not off <= _TIMES_ITS_OWN * own_off + _BESIDES:
            raise _Fault(
                f"log-probabilities are off by {off:.2g}, which the model's own rounding moves by "
                f"{own_off:.2g}"
            )

    def _prove_precisely(self, probe: Probe) -> torch.Tensor:
        """Do so in float32, if the model runs in that; return its own log-probabilities."""
        raised = self._rounds() and self._in_float32
        measure, allowed = _largest, _TOLERANCE
        try:
            with ExitStack() as precisely:
                if raised:
                    precisely.enter_context(in_float32(self._network))
                    precisely.enter_context(self._forward.uncompiled())
                own = self._own(probe, probe.plain, probe.front, probe.late)
                if not self._in_float32:
                    moved = self._own(probe, probe.nudged) - own[2 * READ : -2 * READ]
                    measure, allowed = _spread, _TIMES_ITS_OWN * _spread(moved) + _BESIDES
                # The first sequence is the beginning of the last.
                ahead = measure(own[-2 * READ : -READ] - own[:READ])
                if ahead > allowed:
                    by_embeddings = probe.plain(as_embeddings=True) - own[: 2 * READ]
                    raise self._unfit(ahead, reads_ahead=measure(by_embeddings) <= allowed)
                ours = self._ours(probe.our_plain, probe.our_soft)
        except _CannotRun:
            if not raised:
                raise
            self._in_float32 = False
            return self._prove_precisely(probe)
        off = measure(ours - torch.cat([own[: -2 * READ], own[-READ:]]))
        if not off <= allowed:
            raise _Fault(f"log-probabilities differ from the model's own by up to {off:.2g}")
        return own

    def _own(self, probe: Probe, *parts: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return parts of the model's own log-probabilities.

        Raises:
            _CannotRun: It does not run, or not with a soft prompt, or gives no finite numbers.
        """
        try:
            own = torch.cat([part() for part in parts])
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            failed, hint = (
                ("take a soft prompt", _ONE_ENTRANCE) if _finite(probe.plain) else ("be run", None)
            )
            message = f"{self._model} cannot {failed}: {first_line(error)}"
            raise _CannotRun(message, self._hint(parts) or hint) from error
        if not own.isfinite().all():
            hint = (
                self._hint(parts) or "Take another checkpoint: weights of this one are not finite."
            )
            raise _CannotRun(f"{self._model} gives no finite numbers", hint)
        if (own == own[0]).all():
            raise _CannotRun(
                f"{self._model} gives the same log-probabilities whatever it reads",
                "Download or save it again: weights of it are zeros.",
            )
        return own

    def _hint(self, parts: Sequence[Callable[[], torch.Tensor]]) -> str | None:
        """Recommend float32 where that helps."""
        if not self._rounds():
            return None
        with in_float32(self._network):
            return "Use --dtype float32." if all(map(_finite, parts)) else None

    def _rounds(self) -> bool:
        return self._network.dtype in (torch.bfloat16, torch.float16)

    def _ours(self, *parts: Callable[[], torch.Tensor]) -> torch.Tensor:
        try:
            return torch.cat([part() for part in parts])
        except Exception as error:
            if isinstance(error.__cause__ or error, torch.OutOfMemoryError):
                raise
            raise _Fault(f"they do not run: {first_line(error)}") from error

    def _unfit(self, off: float, *, reads_ahead: bool) -> FailureError:
        """Make the error for a model whose log-probabilities depend on more than what stands before."""
        if reads_ahead:
            return FailureError(
                f"{self._model} does not read from left to right: what comes later in a text changes the "
                f"log-probabilities of what stands before it by up to {off:.2g}",
                "Use a decoder-only language model.",
            )
        return FailureError(
            f"{self._model} cannot take a soft prompt: its tokens reach its layers by more ways than "
            f"their embeddings, without which its log-probabilities differ by up to {off:.2g}",
            _ONE_ENTRANCE,
        )


def _largest(differences: torch.Tensor) -> float:
    return float(differences.abs().max())


def _spread(differences: torch.Tensor) -> float:
    """Return the root of the mean square over the vocabulary, at the position where it is largest."""
    return float(differences.square().mean(-1).sqrt().max())


def _finite(part: Callable[[], torch.Tensor]) -> bool:
    """Tell whether a part runs and gives finite numbers."""
    try:
        return bool(part().isfinite().all())
    except Exception:
        return False

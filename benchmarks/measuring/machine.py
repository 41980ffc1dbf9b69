"""The machine itself: its clock, its memory, its matrix multiplications."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch

_LONG_ENOUGH = 0.2  # seconds
_Given = ParamSpec("_Given")
_Made = TypeVar("_Made")
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def timed(
    device: torch.device, work: Callable[_Given, _Made], *args: _Given.args, **kwargs: _Given.kwargs
) -> tuple[_Made, float]:
    """Do a piece of work; return its result and its seconds of wall time, the device's queue included."""
    synchronise(device)
    start = time.perf_counter()
    made = work(*args, **kwargs)
    synchronise(device)
    return made, time.perf_counter() - start


def forget_peak(device: torch.device) -> None:
    """Start the peak anew at what is in use now, where the system can (CUDA, Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        _RESET.write_text("5", encoding="utf-8")
    except OSError:
        return


def peak_memory_mb(device: torch.device) -> float | None:
    """Return the most memory in use since `forget_peak`, in millions of bytes; or None.

    On CUDA what torch allocated there; elsewhere the resident memory of this process, the libraries'
    and the interpreter's own included.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        (line,) = (
            at for at in _STATUS.read_text(encoding="utf-8").splitlines() if at.startswith("VmHWM:")
        )
        return int(line.split()[1]) * 1024 / 1e6
    except (OSError, ValueError):
        pass
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


@torch.inference_mode()
def matmul_rates(
    shapes: Sequence[tuple[int, int, int]], dtype: torch.dtype, device: torch.device
) -> list[float]:
    """Measure operations a second (two for a multiply-add) of matrix multiplications.

    Args:
        shapes: Rows, inner width and columns of each; it is done as a linear layer does it, rows times
            weights of `[columns, inner]`.
        dtype: Precision.
        device: Where.
    """
    return [_matmul_rate(*shape, dtype, device) for shape in shapes]


def _matmul_rate(
    rows: int, inner: int, columns: int, dtype: torch.dtype, device: torch.device
) -> float:
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(rows, inner, generator=generator).to(device, dtype)
    right = torch.randn(columns, inner, generator=generator).to(device, dtype).T
    out = torch.empty(rows, columns, dtype=dtype, device=device)

    def multiply(times: int) -> None:
        for _ in range(times):
            torch.mm(left, right, out=out)

    multiply(2)
    _, once = timed(device, multiply, 1)
    times = max(1, round(_LONG_ENOUGH / max(once, 1e-5)))
    _, spent = timed(device, multiply, times)
    return 2.0 * rows * inner * columns * times / spent


def device_name(device: torch.device) -> str:
    """Return the name a reader would know the device by."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        models = [
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
    except OSError:
        models = []
    return models[0] if models else platform.processor() or platform.machine()

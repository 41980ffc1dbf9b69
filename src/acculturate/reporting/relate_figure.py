"""Losses against scores over many runs, as one SVG file that stands alone.

In: `Related`. Out: a panel for each benchmark and kind of score: held-out loss across, score up, a point a
run, a colour and a shape a country; hollow points are the untouched models.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from acculturate.formatting import loss_text, short
from acculturate.reporting.relate import SCORES, Benchmark, Related
from acculturate.reporting.relate_narrative import coefficient_text
from acculturate.reporting.scales import Scale, scale_for

LOSS = "held-out"
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 360, 64, 640, 56, 308
_LINE_OF_TEXT = 18
# Okabe and Ito's colours, which most colour-blind readers tell apart; shapes tell them apart in print.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")
_SHAPES = (
    "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z",
    "M-4.5-4.5H4.5V4.5H-4.5Z",
    "M0-6L6 0L0 6L-6 0Z",
    "M0-6L5.5 4.5H-5.5Z",
    "M0 6L5.5-4.5H-5.5Z",
)


def relate_figure(found: Related) -> str:
    """The figure as SVG text."""
    panels = [
        (one, score)
        for one in found.benchmarks
        for score in SCORES
        if any(score in point.score for point in one.points)
    ]
    height = _HEIGHT * len(panels)
    drawn = "".join(
        f'<g transform="translate(0 {number * _HEIGHT})">{_panel(one, score)}</g>'
        for number, (one, score) in enumerate(panels)
    )
    described = "; ".join(_described(one, score) for one, score in panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-labelledby="relate-t relate-d" font-family="system-ui, sans-serif" font-size="12">'
        f'<title id="relate-t">Survey loss against downstream scores over runs</title>'
        f'<desc id="relate-d">{escape(described)}</desc>'
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>{drawn}</svg>\n'
    )


def _panel(one: Benchmark, score: str) -> str:
    points = [point for point in one.points if score in point.score]
    groups = list(dict.fromkeys(point.group for point in points))
    untouched = {
        (point.group, point.naive_loss[LOSS], point.naive_score[score])
        for point in points
        if score in point.naive_score
    }
    across = scale_for(
        [*(point.loss[LOSS] for point in points), *(loss for _, loss, _ in untouched)], 6
    )
    up = scale_for([*(point.score[score] for point in points), *(at for _, _, at in untouched)], 5)
    title = f"{short(one.name, 50)}: {SCORES[score]}"
    parts = [
        f'<text x="{_LEFT}" y="20" font-size="14" font-weight="600">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="38" fill="#555">{escape(_note(one, score))}</text>',
        *_axes(across, up),
    ]
    for group, loss, value in sorted(untouched):
        parts.append(
            _mark(groups.index(group), (loss, value), across, up, f"{group}, untouched", False)
        )
    for point in points:
        told = f"{point.run} ({point.group})"
        place = point.loss[LOSS], point.score[score]
        parts.append(_mark(groups.index(point.group), place, across, up, told, True))
    return "".join([*parts, *_key(groups)])


def _axes(across: Scale, up: Scale) -> list[str]:
    parts: list[str] = []
    for tick in up.ticks:
        y = _y(tick, up)
        parts.append(f'<path d="M{_LEFT} {y}H{_RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{_tick(tick)}</text>')
    for tick in across.ticks:
        x = _x(tick, across)
        parts.append(f'<text x="{x}" y="{_BOTTOM + 18}" text-anchor="middle">{_tick(tick)}</text>')
    middle = (_LEFT + _RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{_BOTTOM + 38}" text-anchor="middle">'
        "loss on the held-out forms (left is nearer to the target)</text>"
    )
    return parts


def _mark(
    number: int, place: tuple[float, float], across: Scale, up: Scale, told: str, filled: bool
) -> str:
    colour, shape = _look(number)
    x, y = _x(place[0], across), _y(place[1], up)
    hover = f"{told}: loss {loss_text(place[0])}, score {loss_text(place[1], 3)}"
    return (
        f'<path transform="translate({x} {y})" d="{shape}" fill="{colour if filled else "#fff"}" '
        f'stroke="{colour}" stroke-width="1.5"><title>{escape(hover)}</title></path>'
    )


def _key(groups: Sequence[str]) -> list[str]:
    parts: list[str] = []
    for number, group in enumerate(groups):
        colour, shape = _look(number)
        y = _TOP + 8 + number * _LINE_OF_TEXT
        parts.append(
            f'<path transform="translate({_RIGHT + 24} {y})" d="{shape}" fill="{colour}"/>'
        )
        parts.append(f'<text x="{_RIGHT + 36}" y="{y + 4}">{escape(short(group, 28))}</text>')
    return parts


def _look(number: int) -> tuple[str, str]:
    return _COLOURS[number % len(_COLOURS)], _SHAPES[number % len(_SHAPES)]


def _note(one: Benchmark, score: str) -> str:
    """The pooled coefficients, or why there are none."""
    for each in one.relations:
        if (each.loss, each.score) == (LOSS, score):
            pooled = each.pooled
            if pooled.why is not None:
                return pooled.why
            return (
                f"within countries: Spearman {coefficient_text(pooled.spearman)}, "
                f"Pearson {coefficient_text(pooled.pearson)}; hollow: untouched"
            )
    return ""


def _described(one: Benchmark, score: str) -> str:
    return f"{one.name}, {SCORES[score]}, {len(one.points)} runs: {_note(one, score)}"


def _tick(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _x(value: float, scale: Scale) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * scale.percent(value) / 100, 1)


def _y(value: float, scale: Scale) -> float:
    return round(_BOTTOM + (_TOP - _BOTTOM) * scale.percent(value) / 100, 1)

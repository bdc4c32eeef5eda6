"""The gap of a unit as a waterfall: from the seats it was given to the machines in good order."""

from __future__ import annotations

import io
from collections.abc import Mapping

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ksc_ledger.letters.model import GapReason
from ksc_ledger.letters.words import PART_NAMES
from ksc_ledger.rules.figures import count

_GIVEN, _LOST, _ADDED, _GOOD = "#44546a", "#c0504d", "#8064a2", "#4f8a3c"

# The road from the seats to the good machines: what exceeds the seats first, then what falls away.
_STEPS = (
    GapReason.OVER_ALLOCATED,
    GapReason.NOT_INSTALLED,
    GapReason.AGENT_ONLY,
    GapReason.EXEMPT_HARDWARE,
    GapReason.STALE,
    GapReason.NOT_PROTECTED,
    GapReason.WRONG_NAME,
)


def waterfall_png(allocated: int, parts: Mapping[GapReason, int]) -> bytes:
    """A PNG of 1600 x 700 pixels; parts that are zero have no bar."""
    names, bottoms, heights, colours, labels = ["Được phân bổ"], [0], [allocated], [_GIVEN], [""]
    labels[0] = count(allocated)
    level = allocated
    for reason in _STEPS:
        size = parts.get(reason, 0)
        if not size:
            continue
        names.append(PART_NAMES[reason].replace(" (", "\n("))
        bottoms.append(min(level, level - size))
        heights.append(abs(size))
        colours.append(_LOST if size > 0 else _ADDED)
        labels.append(f"{'−' if size > 0 else '+'}{count(abs(size))}")
        level -= size
    names.append(PART_NAMES[GapReason.OK])
    bottoms.append(0)
    heights.append(level)
    colours.append(_GOOD)
    labels.append(count(level))

    figure = Figure(figsize=(8, 3.5), dpi=200)
    FigureCanvasAgg(figure)
    # Fixed: letting matplotlib find the margins costs as much as drawing.
    figure.subplots_adjust(left=0.09, right=0.99, top=0.98, bottom=0.15)
    axes = figure.add_subplot()
    axes.bar(names, heights, bottom=bottoms, color=colours, width=0.62)
    top = max(bottom + height for bottom, height in zip(bottoms, heights, strict=True))
    for place, (bottom, height, label) in enumerate(zip(bottoms, heights, labels, strict=True)):
        axes.text(place, bottom + height + top * 0.015, label, ha="center", va="bottom")
    axes.set_ylim(0, max(top, 1) * 1.12)
    axes.set_ylabel("Số máy")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(axis="x", labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    made = io.BytesIO()
    figure.savefig(made, format="png", metadata={"Software": None})
    return made.getvalue()

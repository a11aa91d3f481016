"""The map: what the networks that come with the library learn, as a table and as a picture.

python docs/figures/map.py --into docs/passport.md --out docs/pictures/map.png

replaces what stands between the marks `<!-- map -->` and `<!-- /map -->`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from overview import put

from lossladder.console import Parser
from lossladder.drawing import COLOURS, INK, save
from lossladder.report.inference import Share
from lossladder.report.passport import (
    PassportRow,
    level_and_task,
    median_known,
    references,
    seeds_of,
    solved,
)
from lossladder.report.passport_page import networks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


def table(rows: Sequence[PassportRow]) -> str:
    """Return how many seeds stand on the floor, or else what they know, and theory's bounds."""
    names, lines, panels = networks_of(rows), list[str](), levels(rows)
    for level, tasks in panels.items():
        if len(panels) > 1:
            lines.append(f"| **{level}** |{' |' * len(names)}")
        for task, networks in tasks.items():
            cells = [cell(networks[name]) if name in networks else "–" for name in names]
            lines.append(f"| {task} | {' | '.join(cells)} |")
    head = f"| task | {' | '.join(names)} |\n|---|{'---|' * len(names)}"
    return "\n".join([head, *lines])


def levels(rows: Sequence[PassportRow]) -> dict[str, dict[str, dict[str, list[PassportRow]]]]:
    """Return level -> task -> network -> its rows, in the order they come."""
    found: dict[str, dict[str, dict[str, list[PassportRow]]]] = {}
    for (entry, _), networks in seeds_of(rows).items():
        level, task = level_and_task(entry)
        found.setdefault(level, {})[task] = networks
    return found


def cell(rows: Sequence[PassportRow]) -> str:
    """Return the seeds of a network on a task in a few letters."""
    share = solved(rows)
    bound = any(mark[2] == "lower" for row in rows for mark in row.theory)
    known = "" if share.count == share.of else f", {100 * max(0.0, median_known(rows)):.0f} %"
    return f"{share.count}/{share.of}{known}{' ≥' if bound else ''}"


def draw(rows: Sequence[PassportRow]) -> "Figure":
    """Return networks by tasks: colour says what half of the seeds know, numbers how many learn."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    names, panels = networks_of(rows), levels(rows)
    # one hue: told apart by every kind of eye, and in print
    shade = LinearSegmentedColormap.from_list("known", ["#FFFFFF", COLOURS[0]])
    # inches: names on the left and above, a line on how to read it below
    left, above, below = 0.3 + 0.068 * max(map(len, names)), 1.1, 0.6
    wide, high = 0.62 * max(map(len, panels.values())), 0.42 * len(names)
    size = left + wide + 0.3, below + len(panels) * (high + above)
    figure = Figure(figsize=size, dpi=150, facecolor="white")
    for place, (level, tasks) in enumerate(panels.items()):
        low = below + (len(panels) - 1 - place) * (high + above)
        width = 0.62 * len(tasks)
        axes = figure.add_axes((left / size[0], low / size[1], width / size[0], high / size[1]))
        axes.set_xlim(0, len(tasks))
        axes.set_ylim(len(names), 0)
        for column, networks in enumerate(tasks.values()):
            for line, name in enumerate(names):
                _draw_cell(axes, column, line, networks.get(name), shade)
        axes.set_yticks([line + 0.5 for line in range(len(names))], names, size=9, color=INK)
        axes.set_xticks([column + 0.5 for column in range(len(tasks))], list(tasks), rotation=38,
                        ha="left", rotation_mode="anchor", size=9, color=INK)  # fmt: skip
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
        axes.spines[:].set_visible(False)
        if len(panels) > 1:
            axes.text(-0.1, -0.3, level, ha="right", size=10, weight="bold", color=INK)
    counts = sorted(
        {len(own) for tasks in panels.values() for n in tasks.values() for own in n.values()}
    )
    intervals = " and ".join(
        f"of {count}/{count} is {100 * Share(count, count).interval()[0]:.0f}–100 %"
        for count in counts
    )
    told = (
        "Seeds on the floor of the ladder, of those trained; colour, and the number below: median "
        "share of what can be known.\n"
        f"The 95 % interval {intervals}. Frames, by theorems: dashed, no network of its kind gets "
        "there in the long run; dotted, its kind can."
    )
    figure.text(0.1 / size[0], 0.1 / size[1], told, size=7, color=INK, va="bottom")
    return figure


def _draw_cell(
    axes: "Axes", column: int, line: int, own: Sequence[PassportRow] | None, shade: "Colormap"
) -> None:
    from matplotlib.patches import Rectangle

    middle = {"x": column + 0.5, "ha": "center", "va": "center"}
    if own is None:
        axes.text(y=line + 0.5, s="–", size=9, color=INK, **middle)
        return
    share, known = solved(own), min(1.0, max(0.0, median_known(own)))
    box = (column + 0.04, line + 0.05), 0.92, 0.9
    axes.add_patch(Rectangle(*box, facecolor=shade(known), edgecolor="#CCCCCC", lw=0.6))
    ink, whole = "white" if known > 0.6 else INK, share.count == share.of
    axes.text(y=line + (0.5 if whole else 0.34), s=f"{share.count}/{share.of}", size=8.5,
              color=ink, **middle)  # fmt: skip
    if not whole:
        axes.text(y=line + 0.72, s=f"{100 * known:.0f} %", size=6.5, color=ink, **middle)
    bounds = {mark[2] for row in own for mark in row.theory}
    for bound, style in (("lower", (0, (4, 2))), ("suffices", (0, (1, 1.5)))):
        if bound in bounds:
            frame = (column + 0.09, line + 0.11), 0.82, 0.78
            axes.add_patch(Rectangle(*frame, fill=False, edgecolor=ink, lw=1.1, ls=style))


if __name__ == "__main__":
    parser = Parser(prog="python docs/figures/map.py", description=__doc__)
    parser.add_argument("--into", metavar="PAGE.md", type=Path, required=True)
    parser.add_argument("--out", metavar="FILE.png", type=Path, required=True)
    with parser.refusing():
        asked = parser.parse_args()
        put(table(references()), asked.into, "map")
        save(draw(references()), asked.out)

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
from lossladder.report.passport import PassportRow, median_known, references, seeds_of, solved
from lossladder.report.passport_page import networks_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def table(rows: Sequence[PassportRow]) -> str:
    """Return how many seeds stand on the floor, or else what they know, and theory's bounds."""
    names, lines = networks_of(rows), list[str]()
    for (entry, _), networks in seeds_of(rows).items():
        cells = [cell(networks[name]) if name in networks else "–" for name in names]
        lines.append(f"| {entry.partition('/')[2].replace('_', ' ')} | {' | '.join(cells)} |")
    head = f"| task | {' | '.join(names)} |\n|---|{'---|' * len(names)}"
    return "\n".join([head, *lines])


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
    from matplotlib.patches import Rectangle

    names, tasks = networks_of(rows), seeds_of(rows)
    # one hue: told apart by every kind of eye, and in print
    shade = LinearSegmentedColormap.from_list("known", ["#FFFFFF", COLOURS[0]])
    size = 2.2 + 0.62 * len(tasks), 1.7 + 0.42 * len(names)
    figure = Figure(figsize=size, dpi=150, facecolor="white")
    # inches: names on the left and above, a line on how to read it below
    axes = figure.add_axes((1.9 / size[0], 0.6 / size[1], 0.62 * len(tasks) / size[0],
                            0.42 * len(names) / size[1]))  # fmt: skip
    axes.set_xlim(0, len(tasks))
    axes.set_ylim(len(names), 0)
    for column, networks in enumerate(tasks.values()):
        for line, own in enumerate(networks.get(name) for name in names):
            middle = {"x": column + 0.5, "ha": "center", "va": "center"}
            if own is None:
                axes.text(y=line + 0.5, s="–", size=9, color=INK, **middle)
                continue
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
    axes.set_yticks([line + 0.5 for line in range(len(names))], names, size=9, color=INK)
    titles = [entry.partition("/")[2].replace("_", " ") for entry, _ in tasks]
    axes.set_xticks([place + 0.5 for place in range(len(tasks))], titles, rotation=38, ha="left",
                    rotation_mode="anchor", size=9, color=INK)  # fmt: skip
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    axes.spines[:].set_visible(False)
    counts = sorted({len(own) for networks in tasks.values() for own in networks.values()})
    wide = " and ".join(
        f"of {count}/{count} is {100 * Share(count, count).interval()[0]:.0f}–100 %"
        for count in counts
    )
    told = (
        "Seeds on the floor of the ladder, of those trained; colour, and the number below: median "
        "share of what can be known.\n"
        f"The 95 % interval {wide}. Frames, by theorems: dashed, no network of its kind gets there "
        "in the long run; dotted, its kind can."
    )
    figure.text(0.1 / size[0], 0.1 / size[1], told, size=7, color=INK, va="bottom")
    return figure


if __name__ == "__main__":
    parser = Parser(prog="python docs/figures/map.py", description=__doc__)
    parser.add_argument("--into", metavar="PAGE.md", type=Path, required=True)
    parser.add_argument("--out", metavar="FILE.png", type=Path, required=True)
    with parser.refusing():
        asked = parser.parse_args()
        put(table(references()), asked.into, "map")
        save(draw(references()), asked.out)

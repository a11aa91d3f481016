"""Loss against bits of state, over the bound that no network of so many bits goes below.

python docs/figures/bits.py SWEEP [SWEEP ...] --out FILE.png

Each sweep is a panel, of one task with different `model.bits` and `model.hidden_size`; each of its
runs is a dot.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from picture import picture

from lossladder.report.bits_figure import draw_bits
from lossladder.runs.load import load_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(sweeps: Sequence[Path]) -> "Figure":
    """Return a figure with a panel for each sweep."""
    found = (sorted(sweep.glob("*/result.json")) for sweep in sweeps)
    return draw_bits([[load_run(path.parent) for path in paths] for paths in found])


def main(words: Sequence[str] | None = None) -> None:
    """Draw as the command line says."""
    picture("bits.py", __doc__, draw, words, each="sweep")


if __name__ == "__main__":
    main()

"""Which subgroup's rung includes which: the picture of the words of a group.

python docs/figures/order.py S4 --out docs/pictures/order.png
"""

import argparse
from pathlib import Path

from lossladder.drawing import save
from lossladder.report.figure import draw_order, order_of
from lossladder.report.sweep_folder import LadderRecord
from lossladder.tasks import Words
from lossladder.training.conclude import rungs


def main() -> None:
    """Draw as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("group", help="as task.group")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    order = order_of(LadderRecord("words", rungs(Words(asked.group).ladder())))
    if order is None:
        raise SystemExit(f"{asked.group}: its rungs are a line, or too many to draw")
    save(draw_order(order), asked.out)


if __name__ == "__main__":
    main()

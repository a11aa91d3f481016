"""Measure us and the peers side by side: same data, same start, losses compared.

python benchmark.py                                every contest, then the page: some minutes
python benchmark.py cells                          any cell: those that people write
python benchmark.py growth                         cost against members, sizes and length
python benchmark.py widths                         where torch's matrix products overtake ours
python benchmark.py networks                       every network at the same floats of state
python benchmark.py suite                          a suite beside Lightning, one run at a time
python benchmark.py clusters                       a sweep by workers on Slurm and on Ray
python benchmark.py page                           the page again, from the last results
python benchmark.py --contests echo-4 --rounds 7   one contest, more rounds
python benchmark.py --python jax=PATH              a peer that lives in another environment

The page is docs/performance.md; the raw rounds are in docs/performance/.
"""

from benchmarks.command import main

if __name__ == "__main__":
    main()

"""Score a trained network again; `python evaluate.py --help` says how.

python evaluate.py run=logs/<run> task.num_steps=500
"""

from lossladder.evaluate import main

if __name__ == "__main__":
    main()

"""Score a trained network again; `python evaluate.py --help` says how.

python evaluate.py run=logs/<run> task.num_steps=500
"""

try:
    from lossladder.evaluate import main
except ModuleNotFoundError as missing:
    raise SystemExit(
        f"lossladder: this Python has no {missing.name}: `make env` builds .venv, which has all; "
        "then .venv/bin/python evaluate.py"
    ) from None

if __name__ == "__main__":
    main()

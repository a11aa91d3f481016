"""Train a recurrent network on a task and see which rung of its ladder it reaches.

python train.py                                     the echo task, a few seconds
python train.py task=count model=lstm               an LSTM that counts ones
python train.py experiment=echo_lag3                a named run
python train.py -m model=rnn,lstm seed=0,1,2        a sweep: every combination
python train.py task=echo 'task.effects={2: 0.3}'   another echo
python train.py --help                              every key, with its default

tensorboard --logdir logs                           loss curves over their reference lines

The story of a run is src/lossladder/train.py; this is only its door.
"""

try:
    from lossladder.cli.main import main
except ModuleNotFoundError as missing:
    raise SystemExit(
        f"lossladder: this Python has no {missing.name}: `make env` builds .venv, which has all; "
        "then .venv/bin/python train.py"
    ) from None

if __name__ == "__main__":
    main()

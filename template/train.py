"""Train a network on a task, this project's own or lossladder's, and see which rung it reaches.

python train.py                                 as conf/experiment/default.yaml says, a few seconds
python train.py model=lstm task.lag=5           another network, a longer lag
python train.py -m model=two_speeds,rnn 'seed=range(4)'    a sweep: every combination
python train.py evaluate run=logs/<run>         score a trained network again
python train.py report logs/<sweep>             write the report of a sweep again
python train.py --help                          every group, choice and key
"""

import lossladder

if __name__ == "__main__":
    lossladder.main(conf="conf", packages=("mine",))

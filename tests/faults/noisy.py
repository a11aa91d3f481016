"""A cell of one's own that draws random numbers of its own, from three places."""

import random

import numpy as np
import torch

from lossladder.models import RNN, State


class Noisy(RNN):
    """The notebooks' cell, whose hiddens tremble."""

    def step(self, x, state: State) -> State:
        (hidden,) = super().step(x, state)
        size = 0.1 * (1 + random.random() + np.random.random())  # noqa: NPY002
        return (hidden + size * torch.randn_like(hidden),)

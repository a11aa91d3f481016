"""Weights and inputs that need no random generator: the sines of whole numbers.

So that numbers that a published implementation put out can be written down here once, and remade
anywhere with any version of NumPy and torch.
"""

import numpy as np
import torch
from drawn import numbers, ran


def sines(*shape, start=0.0):
    """sin(start), sin(start + 1), ... in a shape."""
    return np.sin(start + np.arange(np.prod(shape, dtype=int))).reshape(shape)


def set_to_sines(network):
    """The network in float64, each of its parameters set to sines; and the parameters, in NumPy."""
    network.double()
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            parameter.copy_(torch.from_numpy(sines(*parameter.shape, start=10.0 * number)))
    return numbers(network)


def hiddens(network, inputs):
    """What the readout sees of inputs, (batch, time, features), from the initial state on."""
    return ran(network, inputs)[0]

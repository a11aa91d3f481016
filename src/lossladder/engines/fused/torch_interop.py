"""Between torch and the kernel: whose parameters and optimizer state, in which order, and codes.

Every vector the kernel learns with is cut into the same places, see `workspace.py`. A place is a
view of the torch tensor it belongs to, turned if need be, so that copying there and back is all
there is to it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

from lossladder.engines.fused import kernel
from lossladder.engines.fused.workspace import GRU, LSTM, RNN
from lossladder.engines.optimizers import remembered, set_steps, start_state
from lossladder.models import GRU as TorchGRU
from lossladder.models import LSTM as TorchLSTM
from lossladder.models import RNN as NotebookRNN
from lossladder.models import Network, TorchRNN

Place = tuple[Tensor, Callable[[Tensor], Tensor]]  # whose numbers; which of them, as seen from it

KINDS = {NotebookRNN: RNN, TorchRNN: RNN, TorchLSTM: LSTM, TorchGRU: GRU}
RULES = {SGD: kernel.SGD, Adagrad: kernel.ADAGRAD, Adam: kernel.ADAM, AdamW: kernel.ADAMW}


def places(network: Network) -> list[Place]:
    """Return the parameters in the kernel's order, each with the view that has its axes."""
    recurrent = network.recurrent
    if isinstance(recurrent, NotebookRNN):
        # one matrix for input and state, (from, to); the kernel has torch's two, (to, from) each
        inputs = recurrent.input_size
        found: list[Place] = [
            (recurrent.weight, lambda weight: weight[:inputs].T),
            (recurrent.weight, lambda weight: weight[inputs:].T),
            (recurrent.bias, _itself),
        ]
    else:
        layer = recurrent.layer
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        found = [(getattr(layer, name), _itself) for name in names]
    readout: nn.Linear = network.readout
    return [*found, (readout.weight, _itself), (readout.bias, _itself)]


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def kind(network: Network, optimizer: Optimizer) -> tuple[object, ...]:
    """Return what members trained together must have in common."""
    part = network.recurrent
    sizes = part.input_size, part.hidden_size, network.readout.out_features
    return type(part), *sizes, network.readout.weight.dtype, type(optimizer)


class Member:
    """A network and its optimizer, of which the kernel gets a copy for each chunk.

    Args:
        network: trained in place.
        optimizer: of its parameters; its state is torch's own.
    """

    def __init__(self, network: Network, optimizer: Optimizer) -> None:
        self.network = network
        self.optimizer = optimizer
        self.places = places(network)
        self.names = remembered(optimizer)
        self._tensors: list[Tensor] = []
        self._addresses: list[int] = []
        self._views: list[list[NDArray]] = []

    def read(self, parameters: NDArray, memory: NDArray) -> None:
        """Copy torch's parameters and optimizer state into the kernel's vectors."""
        self._look()
        # not strict: an optimizer that remembers less leaves the last vectors zero
        for views, vector in zip(self._views, (parameters, *memory), strict=False):
            np.concatenate([view.ravel() for view in views], out=vector)

    def write(self, parameters: NDArray, memory: NDArray, steps: int) -> None:
        """Copy them back, with the number of updates made."""
        for views, vector in zip(self._views, (parameters, *memory), strict=False):
            at = 0
            for view in views:
                view[:] = vector[at : at + view.size].reshape(view.shape)
                at += view.size
        set_steps(self.optimizer, steps)

    def _look(self) -> None:
        """Find torch's tensors; they are others after a checkpoint has been loaded."""
        # views are kept: making them costs more than copying through them, for each chunk
        start_state(self.optimizer)
        sources = [
            [parameter, *(self.optimizer.state[parameter][name] for name in self.names)]
            for parameter, _ in self.places
        ]
        flat = [tensor for tensors in sources for tensor in tensors]
        addresses = [tensor.data_ptr() for tensor in flat]
        if addresses == self._addresses:
            return
        # held, so that no address is used again
        self._tensors, self._addresses = flat, addresses
        turned = [
            [turn(tensor.detach()).numpy() for tensor in tensors]
            for (_, turn), tensors in zip(self.places, sources, strict=True)
        ]
        self._views = [list(views) for views in zip(*turned, strict=True)]


class Codes(NamedTuple):
    """The few numbers that tell the inputs of a step apart.

    The network sees features; the kernel multiplies weights with codes, and always

        features = base + code @ directions

    With real inputs, or fewer features than symbols, the code is the features themselves. With
    one-hot symbols the code is one-hot without the first symbol, whose code is zero: two symbols
    need one number.

    Args:
        table: code of each symbol (symbols, codes); empty for real inputs.
        base: features of the code zero (inputs,).
        directions: what each number of the code adds to them (codes, inputs).
    """

    table: NDArray
    base: NDArray
    directions: NDArray


def code_symbols(encoding: NDArray) -> Codes:
    """Return codes for symbols that the network sees as the lines of `encoding` (symbols, inputs).

    >>> codes = code_symbols(np.eye(2))
    >>> codes.table.ravel().tolist(), codes.base.tolist(), codes.directions.tolist()
    ([0.0, 1.0], [1.0, 0.0], [[-1.0, 1.0]])
    """
    symbols, inputs = encoding.shape
    if inputs < symbols:
        return code_features(inputs, encoding.dtype)._replace(table=np.ascontiguousarray(encoding))
    others = np.ascontiguousarray(np.eye(symbols, dtype=encoding.dtype)[:, 1:])
    return Codes(others, encoding[0].copy(), np.ascontiguousarray(encoding[1:] - encoding[0]))


def code_features(inputs: int, dtype: DTypeLike) -> Codes:
    """Return codes for real inputs, which are the features themselves."""
    return Codes(np.zeros((0, inputs), dtype), np.zeros(inputs, dtype), np.eye(inputs, dtype=dtype))

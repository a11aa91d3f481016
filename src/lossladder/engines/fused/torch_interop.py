"""Between torch and the kernel: whose parameters and optimizer state, in which order.

Every vector the kernel learns with is cut into the same places, see `workspace.py`. A place is a
view of the torch tensor it belongs to, turned if need be, so that copying there and back is all
there is to it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, Optimizer

from lossladder.engines import optimizer_state
from lossladder.engines.fused import kernel
from lossladder.engines.fused.workspace import GRU, LSTM, RNN
from lossladder.ladder import CrossEntropy
from lossladder.models import GRU as TorchGRU
from lossladder.models import LSTM as TorchLSTM
from lossladder.models import RNN as NotebookRNN
from lossladder.models import Network, TorchRNN
from lossladder.tasks import Task

Place = tuple[Tensor, Callable[[Tensor], Tensor]]  # whose numbers; which of them, as seen from it

CELLS = {NotebookRNN: RNN, TorchRNN: RNN, TorchLSTM: LSTM, TorchGRU: GRU}
RULES = {SGD: kernel.SGD, Adagrad: kernel.ADAGRAD, Adam: kernel.ADAM}


def places(network: Network) -> list[Place]:
    """The parameters in the kernel's order, each with the view that has the kernel's axes."""
    recurrent = network.recurrent
    if isinstance(recurrent, NotebookRNN):
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


def unsupported_reason(network: Network, task: Task, optimizer: Optimizer) -> str | None:
    """Why this network, task and optimizer do not fit the kernel; None: they do."""
    if type(task).losses is not Task.losses or type(task.loss) is not CrossEntropy:
        return f"it knows the cross entropy, and {type(task).__name__} has a loss of its own"
    if network.recurrent.learns_initial_state:
        return "it starts every sequence from zeros, and this network learns its initial state"
    if type(network.recurrent) not in CELLS:
        known = ", ".join(sorted({kind.__name__ for kind in CELLS}))
        return f"it knows {known}, not {type(network.recurrent).__name__}"
    for parameter in network.parameters():
        if parameter.device.type != "cpu" or parameter.dtype not in (torch.float32, torch.float64):
            found = f"{parameter.dtype} on {parameter.device}"
            return f"it runs on the CPU in float32 or float64, not {found}"
        if not parameter.requires_grad:
            return "it trains all parameters, and some are frozen"
    if network.readout.out_features < 2:
        return "it classifies, and there is one class"
    return optimizer_state.unsupported_reason(list(network.parameters()), optimizer)


def kind(network: Network, optimizer: Optimizer) -> tuple[object, ...]:
    """What members trained together have in common."""
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
        self.names = optimizer_state.remembered(optimizer)
        self._tensors: list[Tensor] = []
        self._addresses: list[int] = []
        self._views: list[list[NDArray]] = []

    def read(self, parameters: NDArray, memory: NDArray) -> None:
        """Copy torch's parameters and optimizer state into the kernel's vectors."""
        self._look()
        for views, vector in zip(self._views, (parameters, *memory), strict=False):
            np.concatenate([view.ravel() for view in views], out=vector)

    def write(self, parameters: NDArray, memory: NDArray, steps: int) -> None:
        """Copy them back, with the number of updates made."""
        for views, vector in zip(self._views, (parameters, *memory), strict=False):
            at = 0
            for view in views:
                view[:] = vector[at : at + view.size].reshape(view.shape)
                at += view.size
        optimizer_state.set_steps(self.optimizer, steps)

    def _look(self) -> None:
        """Find torch's tensors; they are others after a checkpoint has been loaded."""
        optimizer_state.start(self.optimizer)
        sources = [
            [parameter, *(self.optimizer.state[parameter][name] for name in self.names)]
            for parameter, _ in self.places
        ]
        flat = [tensor for tensors in sources for tensor in tensors]
        addresses = [tensor.data_ptr() for tensor in flat]
        if addresses == self._addresses:
            return
        self._tensors, self._addresses = flat, addresses  # held, so that no address is used again
        turned = [
            [turn(tensor.detach()).numpy() for tensor in tensors]
            for (_, turn), tensors in zip(self.places, sources, strict=True)
        ]
        self._views = [list(views) for views in zip(*turned, strict=True)]


class Codes(NamedTuple):
    """How few numbers tell the inputs of a step apart.

    The network sees features; the kernel multiplies weights with codes. Always

        features = base + code @ directions

    With real inputs, or fewer features than symbols, the code is the features themselves. With
    one-hot symbols the code is one-hot without the first symbol, which is nothing: two symbols need
    one number.

    Args:
        table: code of each symbol (symbols, codes); empty for real inputs.
        base: (inputs,).
        directions: (codes, inputs).
    """

    table: NDArray
    base: NDArray
    directions: NDArray


def code_symbols(encoding: NDArray) -> Codes:
    """For symbols that the network sees as the lines of `encoding` (symbols, inputs).

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
    """For real inputs: the code is the features."""
    return Codes(np.zeros((0, inputs), dtype), np.zeros(inputs, dtype), np.eye(inputs, dtype=dtype))

"""A newly made kernel is held against autograd before anything is trained with it."""

import copy

import torch
from torch import Tensor

from lossladder.engines.engine import Chunk
from lossladder.models import Network, State
from lossladder.tasks import Task
from lossladder.tasks.task import mean_over_scored

# enough to see every operation, and no more than a few milliseconds
ROWS, STEPS = 32, 64
# of the largest gradient: rounding in float32 and in float64, in which torch writes some numbers,
# such as a sixth in the slope of hardsigmoid, with seven digits only
_ROUNDING = {torch.float32: 1e-3, torch.float64: 1e-6}
# kernels may round more than torch does, by this factor
_WORSE = 50.0


def first_window(chunk: Chunk, state: State | None) -> tuple[Chunk, State | None]:
    """Return the beginning of the first member's first window, of some sequences, as a chunk."""
    some = (slice(1), slice(1), slice(ROWS), slice(STEPS))
    scored = None if chunk.scored is None else chunk.scored[some]
    if scored is not None and not scored.any():
        scored = None
    part = Chunk(chunk.inputs[some], chunk.targets[some], scored, chunk.carried)
    return part, None if state is None else tuple(p[:1, :ROWS] for p in state)


def disagreement(
    network: Network,
    task: Task,
    chunk: Chunk,
    state: State | None,
    loss: float,
    gradients: dict[str, Tensor],
) -> str | None:
    """Return what of a kernel's differs from autograd's beyond rounding, in words; None: nothing.

    Args:
        network: whose first window it is.
        task: owns the loss.
        chunk: of `first_window`.
        state: of `first_window`.
        loss: the kernel's.
        gradients: the kernel's, by parameter.
    """
    exact_loss, exact = _by_autograd(network, task, chunk, state, torch.float64)
    dtype = next(network.parameters()).dtype
    own_loss, own = _by_autograd(network, task, chunk, state, dtype)
    largest = max((float(g.abs().max()) for g in exact.values()), default=0.0)
    rounding = _ROUNDING[dtype]
    allowed = rounding * (1 + abs(exact_loss)) + _WORSE * abs(own_loss - exact_loss)
    if abs(loss - exact_loss) > allowed:
        return f"its loss is {loss:.6g}, and autograd's {exact_loss:.6g}"
    for name, wanted in exact.items():
        error = float((gradients[name].double() - wanted).abs().max())
        noise = float((own[name].double() - wanted).abs().max())
        if error > rounding * (float(wanted.abs().max()) + 0.01 * largest) + _WORSE * noise:
            size = float(wanted.abs().max())
            return f"the gradient of {name} is off by {error:.2g}, where autograd's is {size:.2g}"
    return None


def _by_autograd(
    network: Network, task: Task, chunk: Chunk, state: State | None, dtype: torch.dtype
) -> tuple[float, dict[str, Tensor]]:
    """Return loss and gradients of one window; the network stays as it is."""
    twin = copy.deepcopy(network).to(dtype)
    inputs = task.features(chunk.inputs[0]).to(dtype)[0]
    start = None if state is None else tuple(part[0].to(dtype) for part in state)
    with torch.enable_grad():
        logits, _ = twin(inputs, start)
        scored = None if chunk.scored is None else chunk.scored[0, 0]
        loss = mean_over_scored(task.losses(logits, chunk.targets[0, 0]), scored)
        named = {n: p for n, p in twin.named_parameters() if p.requires_grad}
        found = torch.autograd.grad(
            loss, list(named.values()), allow_unused=True, materialize_grads=True
        )
    return loss.item(), dict(zip(named, found, strict=True))

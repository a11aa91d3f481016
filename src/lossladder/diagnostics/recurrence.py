"""Recurrence: how a network's steps stretch and turn its state, and how gradients come back."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Integer
from torch import Generator, Tensor

from lossladder.diagnostics.states import evaluating, flat, settled, trajectory, unflat
from lossladder.models import Network
from lossladder.tasks import Task

_ROWS, _STEPS = 8, 32  # trajectories, and steps of a stream behind its warm-up
_MOST_LAG = 64
_LEAST = 1e-30  # a stretch that is none


@dataclass(frozen=True, slots=True)
class Gradients:
    """How strongly the loss of the last step depends on what came before.

    Args:
        lags: steps back, from 0.
        inputs: mean norm of the gradient with respect to the input, nats per unit, (lags,).
        states: the same with respect to the state that met that input, nats per unit, (lags,).
    """

    lags: list[int]
    inputs: Float[Tensor, " lags"]
    states: Float[Tensor, " lags"]


@dataclass(frozen=True, slots=True)
class Recurrence:
    """What the matrices of single steps do, along trajectories.

    Args:
        radius: spectral radius of each step's matrix, a mean over steps.
        exponents: Lyapunov exponents, nats a step, greatest first, (floats,); above 0 the greatest
            says that nearby states part, a delay line has minus infinity (here: -69).
        eigenvalues: of the matrices, (points, floats).
        symbols: input at each of these points; None: inputs are no symbols.
    """

    radius: float
    exponents: Float[Tensor, " floats"]
    eigenvalues: Complex[Tensor, "points floats"]
    symbols: Integer[Tensor, " points"] | None

    @property
    def angles(self) -> Float[Tensor, " points"]:
        """Return by how much each step turns the state, radians in [0, pi].

        It is the angle of the largest eigenvalue of each matrix, as long as that is not near 0. A
        linear network that adds g modulo m has 2 pi g / m, or a multiple of it.
        """
        places = self.eigenvalues.abs().argmax(dim=1, keepdim=True)
        return self.eigenvalues.gather(1, places)[:, 0].angle().abs()


def gradients(network: Network, task: Task, generator: Generator) -> Gradients:
    """Return the size of the gradient of the last step's loss, by lag.

    It misleads as a measure of what is used: a unit that is saturated has no gradient, and decides
    all the same (`uses` flips the input instead). Nor does the gradient of states show what was
    learnt: it fades smoothly in any network. It shows how far a gradient reaches in training.

    Args:
        network: trained or not.
        task: draws the sequences.
        generator: source of all randomness.
    """
    batch, _ = settled(task, generator, 16 * _ROWS, _STEPS)
    steps = batch.inputs.shape[1]
    most = min(steps - 1, _MOST_LAG if task.reach is None else task.reach + 8)
    first = steps - most - 1
    before = flat(network.initial_state(len(batch.inputs))).detach()
    if first:
        before = trajectory(network, batch.inputs[:, :first]).states[:, -1]
    with evaluating(network) as device, torch.enable_grad():
        like = network.initial_state(len(batch.inputs))
        row = before.to(device).requires_grad_()
        inputs = [x.to(device).requires_grad_() for x in batch.inputs[:, first:].split(1, dim=1)]
        states: list[Tensor] = []
        output = inputs[0]
        for x in inputs:
            # the state passes through one row of numbers, of which a gradient can be asked
            states.append(row)
            output, state = network(x, unflat(row, like))
            row = flat(state)
        loss = task.losses(output, batch.targets[:, -1:]).sum()
        found = torch.autograd.grad(loss, [*inputs, *states], allow_unused=True)
    norms = [0.0 if each is None else float(each.flatten(1).norm(dim=1).mean()) for each in found]
    of_inputs, of_states = norms[: most + 1][::-1], norms[most + 1 :][::-1]
    return Gradients([*range(most + 1)], torch.tensor(of_inputs), torch.tensor(of_states))


def recurrence(network: Network, task: Task, generator: Generator) -> Recurrence:
    """Return spectral radius, Lyapunov exponents and eigenvalues along trajectories of a network.

    The matrix of a step is the derivative of the next state by the state, at a state that the
    network comes to. Exponents are the mean logarithms by which such matrices, one after another,
    stretch directions that are kept orthogonal (QR).

    It misleads in three ways. A memory may be held by saturated units, whose derivative is 0: their
    exponents say that everything is forgotten, and the bit is there for ever. The radius of single
    steps bounds nothing when matrices differ from step to step; the exponents are the measure. And
    the angle of an eigenvalue is a rotation only where the state turns in a plane; of a machine
    that jumps between corners it is noise.

    Args:
        network: trained or not; of up to some hundred floats a state.
        task: draws the sequences.
        generator: source of all randomness.
    Source: Benettin et al. (1980) for the exponents; of recurrent networks, Vogt et al. (2020), "On
        Lyapunov exponents for RNNs", arXiv:2006.14123.
    """
    batch, first = settled(task, generator, _ROWS, _STEPS)
    states = trajectory(network, batch.inputs).states
    steps = states.shape[1]
    # of a short string the first steps count, too
    first = max(first, 1)
    size = states.shape[2]
    around = torch.eye(size, dtype=torch.float64).repeat(len(states), 1, 1)
    total, matrices = torch.zeros(size, dtype=torch.float64), list[Tensor]()
    for step in range(first, steps):
        matrix = step_matrices(network, batch.inputs[:, step], states[:, step - 1])
        matrices.append(matrix)
        around, stretch = torch.linalg.qr(matrix @ around)
        total += stretch.diagonal(dim1=1, dim2=2).abs().clamp(min=_LEAST).log().mean(dim=0)
    values = torch.linalg.eigvals(torch.cat(matrices))
    symbols = None
    if not task.has_real_inputs:
        encoded = batch.inputs[:, first:].transpose(0, 1).flatten(0, 1)
        symbols = torch.cdist(encoded, task.encoding.to(encoded)).argmin(dim=1)
    return Recurrence(
        radius=float(values.abs().amax(dim=1).mean()),
        exponents=(total / max(len(matrices), 1)).sort(descending=True).values,
        eigenvalues=values,
        symbols=symbols,
    )


def step_matrices(
    network: Network, x: Float[Tensor, "batch input"], states: Float[Tensor, "batch floats"]
) -> Float[Tensor, "batch floats floats"]:
    """Return the derivatives of the next state (rows) by the state (columns), float64."""
    with evaluating(network) as device, torch.enable_grad():
        rows = states.detach().requires_grad_()
        _, after = network.recurrent(
            x[:, None].to(device), unflat(rows, network.initial_state(len(x)))
        )
        found: list[Tensor] = []
        # rows of a batch do not touch each other: the sum over them is a derivative for each
        for value in flat(after).cpu().unbind(dim=1):
            grad = torch.zeros_like(rows)
            if value.requires_grad:
                (grad,) = torch.autograd.grad(
                    value.sum(), rows, retain_graph=True, materialize_grads=True
                )
            found.append(grad)
    return torch.stack(found, dim=1)

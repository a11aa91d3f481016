"""Calibration: what a network would lose if its readout were fitted again, and nothing else."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lossladder.diagnostics.score import Score, score_outputs
from lossladder.diagnostics.states import predicted
from lossladder.ladder import Features, Loss
from lossladder.models import Network
from lossladder.tasks import Batch, Task
from lossladder.tasks.task import mean_over_scored

_HELD_OUT = 4  # one sequence of so many tells when to stop
_ROUND = 10  # updates of the readout between two looks at those
_MOST_UPDATES = 150
_SUMS = 2e9  # multiplications in all: about a second
_FEWEST, _MOST = 4_000, 40_000  # steps to fit on
_SUMS_A_LOOK = 30_000_000  # those steps times the numbers of a readout
_SHOWN = 2000  # steps whose predictions are kept for a picture
_LEAST_VARIANCE = 1e-12  # of the largest: directions in which hiddens do not differ

Rows = Float[Tensor, "_ _"]  # a row for each step, or for each output
Predictions = Float[Tensor, "shown output"]


@dataclass(frozen=True)
class Calibration:
    """A network with its own readout, and with one that was fitted again.

    Args:
        refitted: score with the fitted readout, on the same sequences.
        saved: loss with its own readout less that; below 0 where fitting was of no use.
        law: chances of the classes by the exact law, of some scored steps; or real values.
        own: what the network predicts there.
        fitted: what it would with the fitted readout.
    """

    refitted: Score
    saved: float
    law: Predictions
    own: Predictions
    fitted: Predictions


def calibration(
    network: Network, task: Task, batch: Batch, fitting: Batch, exhaustive: bool = False
) -> Calibration:
    """Fit the last linear map of a network again, with all before it frozen, and measure it.

    A state may hold what a rung knows while the readout makes less of it: it is too sure, or bets
    on what could be known in training and is not known here. Of cross entropy or squared error the
    fit is convex, so that what it finds is the best linear readout of these hiddens, up to how many
    sequences it saw. It starts from the network's own readout and is told the exact law of each
    target, without the noise of drawn ones; a quarter of `fitting` is held out and says when to
    stop. Loss and `saved` are of `batch`, on which nothing was fitted.

    It misleads where the hiddens hold more than the network uses. A large state that was never
    trained remembers its last inputs, and a readout of it finds them: `saved` is then what the
    readout has not learnt, and no miscalibration. It also misleads where the readout has more
    numbers than `fitting` has scored steps, of which the fit then finds less than there is, and
    where the rest of the network errs in rare sequences only, which no readout mends.

    Args:
        network: trained.
        task: whose loss it is.
        batch: sequences to measure on.
        fitting: others to fit on.
        exhaustive: as for `score`.
    Source: a linear readout of frozen states is the probe of Alain and Bengio (2016,
        arXiv:1610.01644); that networks are more often too sure than wrong, Guo et al. (2017,
        arXiv:1706.04599).
    """
    held = torch.arange(len(fitting.inputs)) % _HELD_OUT == _HELD_OUT - 1
    hiddens, scored = _hiddens(network, fitting.inputs), fitting.scored
    fit, check = (
        (hiddens[part & scored], fitting.probabilities[part & scored])
        for part in (~held[:, None], held[:, None])
    )
    last = _last_map(network)
    bias = last.bias.expand(last.out_features)[:, None]
    start = torch.cat([last.weight, bias], dim=1).detach().cpu().double()
    fitted = _fitted(start, fit, check, task.loss)
    measured = _with_one(_hiddens(network, batch.inputs))
    refitted = score_outputs(measured @ fitted.T, task, batch, exhaustive)
    by_step = task.expected_losses(measured @ start.T, batch.probabilities)
    own = float(mean_over_scored(by_step, batch.scored))
    law, hidden = batch.probabilities[batch.scored], measured[batch.scored]
    few = slice(None, None, max(1, len(law) // _SHOWN))
    said = (predicted(task, hidden[few] @ readout.T) for readout in (start, fitted))
    return Calibration(refitted, own - refitted.loss, law[few], *said)


def rows_for(network: Network, scored: Bool[Tensor, "batch time"]) -> int:
    """Return how many sequences to fit the readout on.

    Args:
        network: whose readout it is.
        scored: which steps count of sequences like them.
    """
    last = _last_map(network)
    numbers = (last.in_features + 1) * last.out_features
    # each number of a readout costs half a nat, shared by all steps that it was fitted on
    steps = max(_FEWEST, min(100 * numbers, _MOST, _SUMS_A_LOOK // numbers))
    return max(64, -(-4 * steps // int(3 * scored.sum(dim=1).double().mean().clamp(min=1))))


def _last_map(network: Network) -> nn.Linear:
    return [part for part in network.readout.modules() if isinstance(part, nn.Linear)][-1]


@torch.no_grad()
def _hiddens(network: Network, inputs: Features) -> Float[Tensor, "batch time hidden"]:
    """Return what the last map of a network is given, float64, on the CPU."""
    seen: list[Tensor] = []
    hook = _last_map(network).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    device, training = next(network.parameters()).device, network.training
    network.eval()
    try:
        network(inputs.to(device))
    finally:
        hook.remove()
        network.train(training)
    return seen[-1].cpu().double()


def _fitted(start: Rows, fit: tuple[Rows, Rows], check: tuple[Rows, Rows], loss: Loss) -> Rows:
    """Return the readout that costs least of `check` on the way to the best one of `fit`.

    Args:
        start: weights, with the bias as the last column.
        fit: hiddens and the law of the targets, of each scored step.
        check: the same of other sequences.
        loss: of them.
    """
    if not len(fit[0]) or not len(check[0]):
        return start
    mean, white = _whitening(fit[0])
    # what does not change from update to update: directions, what is put out already, and the law
    fixed = [
        (_with_one((h - mean) @ white), _with_one(h) @ start.T, law) for h, law in (fit, check)
    ]

    def costs(change: Rows, of: tuple[Rows, Rows, Rows]) -> Tensor:
        directions, known, law = of
        return loss.expected(known + directions @ change.T, law).mean()

    # along directions of one length there are few updates from any start to the best
    change = torch.zeros(len(start), white.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    each = 4 * len(fit[0]) * start.numel()
    rounds = round(max(3.0, min(_MOST_UPDATES, _SUMS / each) / _ROUND))
    optimizer = torch.optim.LBFGS(
        [change], max_iter=_ROUND, tolerance_grad=1e-9, tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Tensor:
        optimizer.zero_grad()
        cost = costs(change, fixed[0])
        cost.backward()
        return cost

    with torch.no_grad():
        best, least = change.clone(), float(costs(change, fixed[1]))
    for _ in range(rounds):
        before = change.detach().clone()
        with torch.enable_grad():
            optimizer.step(closure)
        with torch.no_grad():
            cost = float(costs(change, fixed[1]))
        if not cost < least:
            break
        best, least = change.detach().clone(), cost
        if torch.equal(before, best):
            break
    # from the white directions back to the hiddens
    weight = best[:, :-1] @ white.T
    return start + torch.cat([weight, (best[:, -1] - weight @ mean)[:, None]], dim=1)


def _whitening(
    hiddens: Float[Tensor, "steps hidden"],
) -> tuple[Float[Tensor, " hidden"], Float[Tensor, "hidden some"]]:
    """Return the mean of hiddens, and the map to directions in which they differ by one."""
    mean = hiddens.mean(dim=0)
    away = hiddens - mean
    variances, directions = torch.linalg.eigh(away.T @ away / len(away))
    kept = variances > _LEAST_VARIANCE * variances[-1].clamp(min=1e-300)
    return mean, directions[:, kept] / variances[kept].sqrt()


def _with_one(hiddens: Float[Tensor, "*rest hidden"]) -> Float[Tensor, "*rest hidden_and_one"]:
    return torch.cat([hiddens, hiddens.new_ones(*hiddens.shape[:-1], 1)], dim=-1)

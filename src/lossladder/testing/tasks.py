"""The laws of tasks: sampling and theory, and each held against the other."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Bool, Float, Integer, Shaped
from torch import Tensor, nn

from lossladder.console import many
from lossladder.ladder import CrossEntropy, Features, HalfSquaredError, Ladder, Rung
from lossladder.tasks import Batch, Draw, StreamTask, Task
from lossladder.testing.comparison import (
    ROUNDING,
    UNLIKELY,
    difference,
    generator,
    normal,
    require,
    require_equal,
    rounded,
    undisturbed,
    unlike,
    with_error,
)

_ENTRIES = 1_000_000  # probabilities sampled for a rung: some 0.1 s of arithmetic
_FUNCTIONS, _LAGS = 4, 64  # of an input, and between two, that are looked at
_SHAPES = ("one_to_one", "one_to_many", "many_to_one", "many_to_many")

Predictor = Callable[[Tensor], Tensor]
Law = Float[Tensor, "batch time output"]
Scored = Bool[Tensor, "batch time"]


def check_task(task: Task) -> None:
    """Check that a task keeps the laws of all tasks, and its ladder those of ladders.

    Sampling: a draw has the size asked for, symbols that have an encoding or real inputs, and
    targets that are classes or real values. The generator decides all of it. `shape` is what the
    sequences say.

    Theory: the predictor of every rung, and `probabilities`, put out laws in float64 that sum to 1,
    see nothing of later steps or other rows, and look no further back than their `reach`. The
    ceiling is the best constant, and where knowing the step helps, that is a rung of its own; the
    floor predicts with `probabilities`.

    Both together: drawn targets follow `probabilities`, at every step, and also where a stream is
    continued from its `past`. Where `independent_inputs` says so, no two or three inputs depend on
    each other, and those of all steps have one law. Every rung's loss is what its predictor
    attains: on drawn targets, in expectation, at every step where it has `by_step`, with a state
    carried for ever, and exactly on the sequences of `everything()`, each of which is drawn as
    often as any other.

    Args:
        task: any; nothing about it is changed.
    Raises:
        AssertionError: naming the rung or the step, what came, and what the law demands.
    """
    steps = task.num_steps or (task.reach or 0) + 12
    _check_attributes(task)
    _check_draws(task, steps)
    _check_who_decides(task, steps)
    draw = task.draw(generator(2), max(_ENTRIES // (steps * task.output_size), 200), steps)
    batch = task.batch(draw)
    _check_shape(task, batch)
    ladder = task.ladder(steps, carried=False)
    _check_rungs(task, ladder, steps)
    few = Batch(*(part[:48] for part in batch))
    others = _others(task, draw.inputs[:48])
    _check_predictor(task, "probabilities", task.probabilities, task.reach, others, few)
    for rung in ladder:
        who = f"{_name(rung)}: its predictor"
        _check_predictor(task, who, rung.predictor, rung.reach, others, few)
    _check_ends(ladder, few)
    if task.independent_inputs:
        _check_independent(task, batch.inputs)
    _check_targets("targets", batch.targets, batch.probabilities, batch.scored)
    for rung in ladder:
        _check_loss(task, f"{_name(rung)}: its predictor", rung, batch)
    if isinstance(task, StreamTask):
        _check_stream(task)
    _check_everything(task, ladder, steps)
    _check_includes(task, ladder, batch)
    _check_blind(task, ladder, batch)
    _check_description(task, few)


def _check_attributes(task: Task) -> None:
    """Check what a task says about itself."""
    require(task.shape in _SHAPES, f"shape={task.shape!r}: must be one of {', '.join(_SHAPES)}")
    require(
        task.streams == (task.num_steps is None),
        f"streams={task.streams}, num_steps={task.num_steps}: a stream has no length, and "
        "independent sequences have one",
    )
    require(
        task.streams == isinstance(task, StreamTask),
        f"streams={task.streams}, of a {type(task).__name__}: a task of streams is a StreamTask, "
        "which draws the next piece of each",
    )


def _check_draws(task: Task, steps: int) -> None:
    """Check sizes and ranges of what is drawn."""
    for batch_size, num_steps in ((1, 1), (7, 5), (50, steps)):
        try:
            draw = task.draw(generator(0), batch_size, num_steps)
        except ValueError:
            if num_steps == steps:
                raise
            continue  # a task may refuse to draw sequences of another length
        for name, part in draw._asdict().items():
            size = None if part is None or name == "after" else tuple(part.shape[:2])
            require(
                size in (None, (batch_size, num_steps)),
                f"draw: {batch_size} sequences of {num_steps} steps were asked for, and {name} has "
                f"shape {size}",
            )
        _check_inputs(task, draw.inputs)
        if draw.targets.is_floating_point():
            own = tuple(draw.targets.shape[2:])
            require(
                own == (task.output_size,),
                f"draw: a real target has shape {own}, and output_size is {task.output_size}",
            )
        else:
            _check_range("targets", draw.targets, task.output_size, "classes, by output_size")
        scored = torch.ones(draw.inputs.shape[:2]) if draw.scored is None else draw.scored
        require(bool(scored.any()), f"draw: of {num_steps} steps it scores none")
        require(
            not task.streams or bool(scored.all()),
            "draw: it leaves steps of a stream unscored; a stream is scored at every step",
        )


def _check_inputs(task: Task, inputs: Tensor) -> None:
    if not task.has_real_inputs:
        _check_range("symbols", inputs, len(task.encoding), "rows of the encoding")
        return
    require(
        inputs.is_floating_point() and inputs.shape[2:] == (task.input_size,),
        f"draw: inputs are {inputs.dtype} {tuple(inputs.shape)}; the encoding has no symbols, so "
        f"that they must be real numbers by row, step and input, {task.input_size} a step",
    )
    require(bool(inputs.isfinite().all()), "draw: some inputs are no finite numbers")


def _check_range(what: str, values: Tensor, size: int, which: str) -> None:
    require(
        values.dim() == 2 and not values.is_floating_point(),
        f"draw: {what} are {values.dtype} {tuple(values.shape)}; must be whole numbers by row and "
        "step",
    )
    low, high = int(values.min()), int(values.max())
    require(
        low >= 0 and high < size,
        f"draw: {what} from {low} to {high} came, and there are {size} {which}",
    )


def _check_who_decides(task: Task, steps: int) -> None:
    """Check that the generator decides what is drawn, and nobody else."""

    def drawn(seed: int) -> Draw:
        return task.draw(generator(seed), 50, steps)

    first, again = (undisturbed("draw", seed, partial(drawn, 0)) for seed in (1, 2))
    complaint = "draw: generators of the same seed draw {}; all randomness must come from them"
    for name, one, other in zip(Draw._fields, first, again, strict=True):
        if one is not None and other is not None:
            require_equal(
                complaint.format(name), one, "once", other, "again", ("row", "step", "output")
            )
    if len(first.inputs.unique(dim=0)) > 1:  # a task may have a single sequence
        require(
            difference(first.inputs, drawn(1).inputs) is not None,
            "draw: generators of the seeds 0 and 1 drew the same; it must use the one it is given",
        )


def _check_independent(task: Task, inputs: Features) -> None:
    """Check that inputs of all steps have one law and that no two or three depend on each other.

    More than three may do so unseen.
    """
    x = inputs.double()
    if x.shape[2] > _FUNCTIONS:
        # any functions of a symbol: what depends shows in almost all of them
        x = x @ normal(x.shape[2], _FUNCTIONS)
    if task.has_real_inputs:
        x = torch.cat([x, x.square()], dim=2)
    away, steps = x - x.mean(dim=(0, 1)), x.shape[1]

    def require_none(complaint: str, values: Float[Tensor, "rows *functions"]) -> None:
        """Require means of 0, by the function whose mean stands out most."""
        values = values.flatten(1)
        stands_out = values.mean(dim=0).abs() / values.std(dim=0).clamp(min=ROUNDING)
        found = unlike(values[:, int(stands_out.argmax())], 0.0)
        if found is not None:
            raise AssertionError(
                f"independent_inputs=True: {complaint}; on average a function of them is off by "
                f"{with_error(*found)}"
            )

    for step in range(steps):
        require_none(f"inputs of step {step} have another law than those of all", away[:, step])
    for lag in range(1, min(steps, _LAGS)):
        pairs = torch.einsum("rta,rtb->rab", away[:, lag:], away[:, :-lag])
        require_none(f"inputs {many(lag, 'step')} apart depend on each other", pairs)
    if steps > 2:
        parts = away[:, 2:], away[:, 1:-1], away[:, :-2]
        three = torch.einsum("rta,rtb,rtc->rabc", *parts)
        require_none("inputs of three steps in a row depend on each other", three)


def _check_shape(task: Task, batch: Batch) -> None:
    """Check that `shape` is what the sequences say."""
    # a step carries input if its symbol differs between sequences
    if batch.inputs.shape[1] == 1 and task.shape != "one_to_one":
        return  # a single step looks like one to one
    later = (batch.inputs[:, 1:] != batch.inputs[:1, 1:]).any()
    outputs = "many" if (batch.scored.sum(dim=1) > 1).any() else "one"
    found = f"{'many' if later else 'one'}_to_{outputs}"
    require(
        task.shape == found,
        f"shape={task.shape!r}: what is drawn is {found}, by the steps at which the inputs of "
        "sequences differ and by those that are scored",
    )


def _check_rungs(task: Task, ladder: Ladder, steps: int) -> None:
    """Check what rungs say about themselves."""
    names = [rung.name for rung in ladder]
    require(len({*names}) == len(names), f"ladder: its rungs {names} must have different names")
    require(
        type(ladder.loss) is type(task.loss),
        f"ladder: its loss is the {type(ladder.loss).__name__}, and the task's the "
        f"{type(task.loss).__name__}; make it with Ladder(rungs, self.loss)",
    )
    floor, ceiling, most = ladder.floor, ladder.ceiling, math.log(task.output_size)
    require(floor.loss > -ROUNDING, f"{_name(floor)}: its loss {floor.loss:.6g} is below 0")
    require(
        not isinstance(task.loss, CrossEntropy) or ceiling.loss < most + ROUNDING,
        f"{_name(ceiling)}: its loss {ceiling.loss:.6g} is above {most:.6g}, the price of guessing "
        f"evenly among {task.output_size} classes",
    )
    if not task.streams:  # whose sequences start from nothing, whatever is carried
        for rung, same in zip(ladder, task.ladder(), strict=True):
            require(
                abs(rung.loss - same.loss) < ROUNDING,
                f"{_name(rung)}: its loss is {rounded(same.loss)} in ladder(), and "
                f"{rounded(rung.loss)} in ladder(num_steps={steps}, carried=False)",
            )
    for rung in ladder:
        length = steps if rung.by_step is None else len(rung.by_step)
        require(length == steps, f"{_name(rung)}: by_step has {length} losses for {steps} steps")


def _check_predictor(
    task: Task,
    who: str,
    predict: Predictor,
    reach: int | None,
    others: Features,
    batch: Batch,
) -> None:
    """Check that it puts out laws, which depend on nothing but the inputs it may know."""
    inputs, scored = batch.inputs, batch.scored
    law, expected = predict(inputs), (*scored.shape, task.output_size)
    require(
        law.dtype == torch.float64 and law.shape == expected,
        f"{who} puts out {law.dtype} {tuple(law.shape)}; must be torch.float64 {expected}",
    )
    if isinstance(task.loss, CrossEntropy):  # the law of real targets is their values
        below = torch.where(scored, law.amin(dim=-1).clamp(max=0), 0.0)
        total = torch.where(scored, law.sum(dim=-1), 1.0)
        for complaint, found, due in (
            ("chances are below 0", below, torch.zeros_like(below)),
            ("chances do not sum to 1", total, torch.ones_like(total)),
        ):
            require_equal(f"{who}: {complaint}", found, "here", due, "is due", ("row", "step"))
    for rows in (slice(0, 1), slice(len(inputs) // 2, None)):
        alone = predict(inputs[rows])
        complaint = f"{who} looks at other rows"
        _equal_laws(complaint, alone, "without them", law[rows], "with them", scored[rows])
    steps = inputs.shape[1]
    for cut in {*range(1, steps, max(steps // 8, 1)), max(steps - 1, 1)}:
        try:
            before = predict(inputs[:, :cut])
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise AssertionError(f"{who} fails on the first {cut} steps alone: {why}") from error
        complaint = f"{who} looks at later inputs, from step {cut} on"
        _equal_laws(complaint, before, "without them", law[:, :cut], "with them", scored[:, :cut])
    for step in {steps // 2, steps - 1}:
        if reach is not None and step > reach:
            old = torch.arange(steps) < step - reach
            mixed = torch.where(old[:, None], others, inputs)
            now = scored[:, step, None]
            changed, own = (torch.where(now, here[:, step], 0.0) for here in (predict(mixed), law))
            complaint = f"{who} looks further back from step {step} than its reach of {reach}"
            pair = changed, "with others there", own, "with its own"
            require_equal(complaint, *pair, ("row", "target"))


def _others(task: Task, inputs: Shaped[Tensor, "batch time *input"]) -> Features:
    """Return other inputs: the next symbol of each, or, where they are real, another row's."""
    if task.has_real_inputs:
        return inputs.roll(1, dims=0)
    return task.features((inputs.long() + 1) % len(task.encoding))


def _check_ends(ladder: Ladder, batch: Batch) -> None:
    """Check that the ceiling looks at no input, and that the floor knows everything."""
    ceiling, floor = (rung.predictor(batch.inputs) for rung in (ladder.ceiling, ladder.floor))
    first, both_scored = ceiling[:1].expand_as(ceiling), batch.scored & batch.scored[:1]
    complaint = f"{_name(ladder.ceiling)} is the ceiling, and looks at the inputs"
    _equal_laws(complaint, ceiling, "here", first, "in row 0", both_scored)
    complaint = f"{_name(ladder.floor)} is the floor, and does not predict with `probabilities`"
    exact = batch.probabilities
    _equal_laws(complaint, floor, "by its predictor", exact, "by those", batch.scored)


def _check_blind(task: Task, ladder: Ladder, batch: Batch) -> None:
    """Check that the ceiling is the best constant, and no blind predictor beats the ladder's."""
    scored, steps = batch.scored, batch.scored.sum(dim=1).double()
    # so many rows that each step is scored in several, where lengths are mixed
    counts = scored.cumsum(dim=0)
    several = (counts >= counts[-1].clamp(max=8)).all(dim=1).int().argmax()
    few, each = scored[: max(48, int(several) + 1)], torch.arange(scored.shape[1])
    blind: list[tuple[Rung, Float[Tensor, "time output"]]] = []
    for rung in ladder:
        law = rung.predictor(batch.inputs[: len(few)])
        by_step = law[few.int().argmax(dim=0), each]  # of a row in which the step is scored
        if bool(((law == by_step).all(dim=-1) | ~few).all()):
            blind.append((rung, by_step))
    (ceiling, by_step), (knower, of_step) = blind[0], blind[-1]
    first = int(few.any(dim=0).int().argmax())
    constant = by_step[first]
    complaint = (
        f"{_name(ceiling)} is the ceiling, and knows the step; the best constant comes above"
    )
    same = (part.expand(len(few), *by_step.shape) for part in (by_step, constant))
    _equal_laws(complaint, next(same), "here", next(same), f"at step {first}", few)
    # the constant of the worked example is one number, whatever the output it stands for
    targets = range(0 if isinstance(task.loss, HalfSquaredError) else task.output_size)
    for target in targets:
        came = torch.where(scored, batch.probabilities[..., target] - constant[target], 0.0)
        # what the sample does not show may still be: a class that comes once in a million
        found = unlike(came.sum(dim=1) / steps.mean(), 0.0, float(steps.max() / steps.mean()))
        if found is not None:
            raise AssertionError(
                f"{_name(ceiling)}: says {constant[target]:.6g} of target {target}, whose mean law "
                f"is {with_error(float(constant[target]) + found[0], found[1])}"
            )
        for step in each[(scored.sum(dim=0) > 100)].tolist():
            law, says = batch.probabilities[scored[:, step], step, target], of_step[step, target]
            found = unlike(law, float(says), 1.0)
            if found is not None:
                raise AssertionError(
                    f"{_name(knower)}: is the lowest that looks at no input, and says {says:.6g} "
                    f"of target {target} at step {step}, where its mean law is "
                    f"{with_error(*found)}; knowing the step is a rung"
                )


def _equal_laws(
    complaint: str, one: Tensor, in_one: str, other: Tensor, in_other: str, scored: Scored
) -> None:
    """Require that two laws are the same at every scored step."""
    left, right = (torch.where(scored[..., None], law, 0.0) for law in (one, other))
    require_equal(complaint, left, in_one, right, in_other, ("row", "step", "target"))


def _check_targets(
    what: str, targets: Shaped[Tensor, "batch time *output"], law: Law, scored: Scored
) -> None:
    """Check that targets come as often as their law says, at each step."""
    # step by step, because the steps of a sequence are not independent
    for step in range(law.shape[1]):
        rows = scored[:, step]
        chances, came = law[rows, step], targets[rows, step]
        if not rows.any():
            continue
        if came.is_floating_point():  # the law of a real target is its value
            complaint = f"{what} at step {step} are not what the law says"
            axes = "scored row", "output"
            require_equal(complaint, came, "was drawn", chances, "is the law", axes, tolerance=1e-6)
        else:
            _check_frequencies(f"{what} at step {step}", came, chances)


def _check_frequencies(
    what: str, came: Integer[Tensor, " rows"], law: Float[Tensor, "rows output"]
) -> None:
    """Check the targets of one step; rows of many laws are grouped by their order."""
    impossible = law.gather(1, came[:, None])[:, 0] < 1e-12
    if impossible.any():
        raise AssertionError(f"{what}: {came[impossible][0]} came, and has no chance in its law")
    key = law @ torch.arange(2.0, 2 + law.shape[1], dtype=torch.float64).sqrt()
    group = key.mul(1e9).round().unique(return_inverse=True)[1]
    if int(group.max()) >= 100:
        group = key.argsort().argsort() * 100 // len(key)
    hits = nn.functional.one_hot(came, law.shape[1]).double()
    none = law.new_zeros(int(group.max()) + 1, law.shape[1])
    seen, due, variance = (none.index_add(0, group, part) for part in (hits, law, law * (1 - law)))
    # Bernstein: the variance is known, and no row counts for more than 1
    excess = (seen - due).abs() - (2 * UNLIKELY * variance).sqrt() - UNLIKELY / 3
    if excess.max() > 0:
        worst, target = divmod(int(excess.argmax()), law.shape[1])
        raise AssertionError(
            f"{what}: {target} came {int(seen[worst, target])} times in "
            f"{int((group == worst).sum())} sequences whose law says {due[worst, target]:.1f}"
        )


def _check_loss(task: Task, who: str, rung: Rung, batch: Batch) -> None:
    """Check that a rung's loss is what its predictor attains, on targets and in expectation."""
    law, scored = rung.predictor(batch.inputs), batch.scored
    outputs = task.loss.logits_for(law)
    drawn = task.losses(outputs, batch.targets)
    if (endless := torch.where(scored, drawn.isinf(), False)).any():
        row, step = endless.nonzero()[0].tolist()
        raise AssertionError(
            f"{who} gives no chance to target {batch.targets[row, step]}, which came at row {row}, "
            f"step {step}"
        )
    expected = task.expected_losses(outputs, batch.probabilities)
    steps = scored.sum(dim=1).double()
    # a target that is too rare to come up may still cost this much in a step
    rare = -math.log(law[law > 1e-12].min()) if isinstance(task.loss, CrossEntropy) else 0.0
    for kind, losses, unseen in (("sampled", drawn, rare), ("expected", expected, 0.0)):
        of_row = torch.where(scored, losses.double(), 0.0).sum(dim=1)
        # a mean over all scored steps; rows, not steps, are independent
        values = (of_row - rung.loss * steps) / steps.mean()
        found = unlike(values, 0.0, unseen / float(steps.mean()))
        if found is not None:
            mean, error = found
            raise AssertionError(
                f"{who}'s {kind} loss {with_error(rung.loss + mean, error)} "
                f"is not the loss {rounded(rung.loss, error)} that the ladder states"
            )
    if rung.by_step is not None:
        _check_by_step(who, rung, rung.by_step, expected, scored)


def _check_includes(task: Task, ladder: Ladder, batch: Batch) -> None:
    """Check that what a rung knows besides another is worth the difference of their losses.

    Where one predictor averages the other over what it does not know, its divergence from it is
    that difference; where neither is an average of the other, it is not.
    """
    steps = batch.scored.sum(dim=1).double()
    for rung, other in ladder.steps:
        law, worth = rung.predictor(batch.inputs), other.loss - rung.loss
        found: list[tuple[float, float]] = []
        for predictor in (other.predictor, *other.twins):
            prediction = task.loss.prediction(task.loss.logits_for(predictor(batch.inputs)))
            apart = task.loss.divergence(law, prediction)
            of_row = torch.where(batch.scored, apart, 0.0).sum(dim=1)
            differs = unlike((of_row - worth * steps) / steps.mean(), 0.0)
            if differs is None:
                break
            found.append(differs)
        else:
            mean, error = found[0]
            raise AssertionError(
                f"{_name(rung)} includes {other.name!r}, and predicts "
                f"{with_error(worth + mean, error)} away from it, where {rounded(worth, error)} "
                "lies between their losses: who knows the one does not know the other"
            )


def _check_by_step(
    who: str,
    rung: Rung,
    by_step: tuple[float, ...],
    expected: Float[Tensor, "batch time"],
    scored: Scored,
) -> None:
    """Check that `by_step` is what the predictor attains, and its mean the rung's loss."""
    for step, loss in enumerate(by_step):
        values = expected[scored[:, step], step]
        found = unlike(values, loss) if len(values) > 100 else None
        if found is not None:
            mean, error = found
            raise AssertionError(
                f"{who}'s expected loss at step {step}, {with_error(mean, error)}, is not the "
                f"{rounded(loss, error)} of by_step"
            )
    weights = scored.double()
    above = torch.tensor(by_step, dtype=torch.float64) - rung.loss
    found = unlike((weights * above).sum(dim=1) / weights.sum(dim=1).mean(), 0.0)
    if found is not None:
        mean, error = found
        raise AssertionError(
            f"{_name(rung)}: the mean of by_step over the scored steps, "
            f"{rounded(rung.loss + mean, error)}, is not its loss {rounded(rung.loss, error)}"
        )


def _check_stream(task: StreamTask) -> None:
    """Check a stream that is continued, and a state that is carried for ever."""
    # the law of who has seen all that the targets depend on
    first = task.warm_up if task.reach is None else max(task.reach, 1)
    rows = min(20_000, max(4 * _ENTRIES // ((first + 10) * task.output_size), 200))
    before = task.draw(generator(3), rows, first)
    require(
        before.after is not None,
        "draw: its `after` is None; a stream is continued from what that says of all before it",
    )
    after = task.draw(generator(4), rows, 10, past=before.after)
    both = torch.cat([before.inputs, after.inputs], dim=1)
    law = task.probabilities(task.features(both))[:, first:]
    everywhere = torch.ones(law.shape[:2], dtype=torch.bool)
    targets = after.targets if after.targets.is_floating_point() else after.targets.long()
    _check_targets("targets of a stream continued from its `past`,", targets, law, everywhere)
    settled_at = task.warm_up if task.reach is None else task.reach
    steps = settled_at + 40
    batch = task.sample(generator(5), max(_ENTRIES // (steps * task.output_size), 200), steps)
    # later steps see as much of the past as a state carried for ever would bring
    settled = batch._replace(scored=batch.scored & (torch.arange(steps) >= settled_at))
    for rung in task.ladder():
        who = f"{_name(rung)}, with a state carried for ever: its predictor"
        _check_loss(task, who, replace(rung, by_step=None), settled)


def _check_everything(task: Task, ladder: Ladder, steps: int) -> None:
    """Check that all sequences are drawn equally often, and that rungs are exact over them."""
    try:
        draw = task.everything()
    except ValueError:
        return  # endless, or not equally likely
    size, length = draw.inputs.shape
    require(
        length == steps, f"everything: its sequences have {length} steps, not num_steps={steps}"
    )
    which = draw.inputs.unique(dim=0, return_inverse=True)[1]
    again = (which.bincount() > 1)[which]
    if again.any():
        raise AssertionError(f"everything: {draw.inputs[again][0].tolist()} is in it twice")
    drawn = task.draw(generator(6), min(200 * size, 50_000), steps).inputs
    both = torch.cat([draw.inputs.long(), drawn.long()])
    which = both.unique(dim=0, return_inverse=True)[1]
    counts = which[size:].bincount(minlength=int(which.max()) + 1)
    foreign = (counts.index_fill(0, which[:size], 0) > 0)[which[size:]]
    if foreign.any():
        raise AssertionError(f"everything: has no {drawn[foreign][0].tolist()}, which was drawn")
    seen, due = counts[which[:size]].double(), len(drawn) / size
    limit = math.sqrt(2 * UNLIKELY * due * (1 - 1 / size)) + UNLIKELY / 3
    worst = int((seen - due).abs().argmax())
    require(
        abs(float(seen[worst]) - due) <= limit,
        f"everything: {draw.inputs[worst].tolist()} was drawn {int(seen[worst])} times, where each "
        f"of {size} equally likely sequences is due {due:.1f} times",
    )
    if size * steps * task.output_size <= 2 * _ENTRIES:
        _check_exactly(task, ladder, task.batch(draw))


def _check_exactly(task: Task, ladder: Ladder, batch: Batch) -> None:
    """Check the loss of each rung, summed over every sequence there is."""
    _check_targets("everything: targets", batch.targets, batch.probabilities, batch.scored)
    weights = batch.scored.double()
    for rung in ladder:
        outputs = task.loss.logits_for(rung.predictor(batch.inputs))
        losses = task.expected_losses(outputs, batch.probabilities)
        exact = float(torch.where(batch.scored, losses, 0.0).sum() / weights.sum())
        require(
            abs(exact - rung.loss) < 1e-7,
            f"{_name(rung)}: over all {len(weights)} sequences its predictor's loss is "
            f"{rounded(exact)}, not the {rounded(rung.loss)} that the ladder states",
        )


def _check_description(task: Task, batch: Batch) -> None:
    """Check that a batch can be looked at."""
    lines = task.describe(batch, row=2).splitlines()
    widths = {len(line) for line in lines}
    require(
        len(widths) == 1,
        f"describe: its lines are {sorted(widths)} characters long; must be equally long, and some",
    )


def _name(rung: Rung) -> str:
    return f"rung {rung.name!r}"

"""The verdict: what a result says, in words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lossladder.console import many

_ENDINGS = {
    "stopped": "Stopped early, because others had come nearer to the floor by then.",
    "diverged": "Training diverged: try a smaller optimizer.lr or trainer.gradient_clip=1.",
    "failed": "The run failed; its log has the traceback.",
    "interrupted": "The run was interrupted; with resume=<its folder> it goes on where it stopped.",
}
_MOST_USES = 10  # inputs that a verdict names
_LITTLE = 0.04  # what a network may use of inputs that mean nothing, before it is told
_LEARNT = 0.5  # of what can be known, so that it matters how long it lasts
# a theorem of the long run is held against that
_LONGER = "longer ones would tell (evaluate.py, with more task.num_steps or data.bptt_steps)"
_CHANCE = 3.0  # standard errors that chance does not bridge, as on a ladder, which loads torch
_SAME = 1e-9  # losses no further apart are one, as on a ladder
_UNMEASURED = "The run was interrupted, and nothing has been measured of it."


def verdict(result: Mapping[str, Any]) -> str:
    """Return what a person wants to know of a run, in a few lines.

    Args:
        result: as in `result.json`, or what `evaluate` measured again.
    """
    lines = ["{task} · {model} · {engine} · seed {seed}".format(**result)]
    # what was measured again has no ending, no updates and no speed
    status = result.get("status")
    if status == "interrupted" and result.get("loss") is None:
        lines.append(_UNMEASURED)
    elif status in _ENDINGS:
        lines.append(_ENDINGS[status])
    if result.get("why"):
        lines.append(" ".join(result["why"].split()))
    if result.get("loss") is not None:
        lines += [_loss(result), _standing(result)]
        lines += [
            line
            for line in (_passed(result), _behaviour(result), _uses(result), _keeps(result))
            if line
        ]
        lines += [f"theory {said}" for said in _theory(result)]
    if result.get("length") is not None:
        lines.append(f"length {result['length']} steps: so far had the sequences of training grown")
    if result.get("mistakes") is not None:
        lines.append(_mistakes(result))
    if result.get("train_error") is not None:
        lines.append(_split(result))
    if result.get("leaks"):
        lines.append(
            f"ALARM  the loss on drawn targets lies {result['leak']:.0f} standard errors under "
            "what the exact law attains: the network sees what it is to predict"
        )
    if result.get("steps_per_second"):
        lines.append(
            f"speed  {result['steps']} updates, {result['steps_per_second']:,.0f} a second "
            f"({result['engine']}: {result['engine_why']})"
        )
    return "\n".join(lines)


def _loss(result: Mapping[str, Any]) -> str:
    loss, error = number(result["loss"]), result["standard_error"]
    # where all that there is was measured, nothing was left to chance
    spread = f" ± {number(error)}" if error else ""
    away, apart = number(result["divergence"]), result["divergence_error"]
    spread_apart = f" ± {number(apart)}" if apart else ""
    return (
        f"loss   {loss}{spread} {result['unit']} a step (floor {result['floor']:.4f}); "
        f"{away}{spread_apart} from the exact law"
    )


def number(value: float) -> str:
    """Return a number with four decimals, or with three digits if they were all zeros.

    >>> number(0.45449), number(3.5101882e-05), number(0.0)
    ('0.4545', '3.51e-05', '0.0000')
    """
    return f"{value:.4f}" if value == 0 or abs(value) >= 5e-5 else f"{value:.3g}"


def _standing(result: Mapping[str, Any]) -> str:
    rungs = result["rungs"]
    match result["standing"]:
        case "on":
            words = _with_loss(result["stands_on"], rungs)
            # who came by its loss in another way is nearest to the rung's predictor, and not near
            known = result.get("knows")
            words = (
                f"on {words}: knows {known}" if known else f"at the loss of {words}, by other ways"
            )
        case "below_floor":
            words = f"below the floor {_with_loss(rungs[-1]['name'], rungs)}, by more than chance"
        case "above_ceiling":
            words = f"none: above the ceiling, worse than knowing {rungs[0]['knows']}"
        case _:
            above, below = between(result)
            words = f"between {_with_loss(above, rungs)} and "
            words += "its predictor" if below is None else _with_loss(below, rungs)
    share = result.get("share")
    # on the floor it is all, and above the ceiling nothing
    if share is not None and result["standing"] in ("on", "between") and 0.005 < share < 0.995:
        words += f"; {100 * share:.0f} % of what can be known"
    refitted, saved = result.get("refitted_on"), result.get("refitted_saved")
    if result["standing"] == "between" and refitted and saved:
        words += (
            f"; on {_with_loss(refitted, rungs)} but for its readout, which fitted again saves "
            f"{number(saved)} {result['unit']}"
        )
    return f"rung   {words}"


def between(result: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the rungs that a run stands between: one it has passed, and one that goes on there.

    In a partial order several pairs of rungs lie on either side of a loss, one of which includes
    the other with none between them. It is the pair that the network behaves most like.

    Args:
        result: of a run that stands between rungs.
    Returns:
        The upper one, and the lower; None: it has passed the floor.

    >>> rungs = [
    ...     {"name": "none", "loss": 1.79, "includes": []},
    ...     {"name": "sign", "loss": 1.10, "includes": ["none"]},
    ...     {"name": "one point", "loss": 0.69, "includes": ["none"]},
    ...     {"name": "all", "loss": 0.0, "includes": ["sign", "one point"]},
    ... ]
    >>> near_point = {"one point": 0.2, "none": 0.9, "all": 0.9, "sign": 0.9}
    >>> between({"rung": "sign", "rungs": rungs, "divergences": near_point})
    ('none', 'one point')
    >>> near_sign = {"sign": 0.1, "all": 0.8, "none": 0.9, "one point": 0.9}
    >>> between({"rung": "sign", "rungs": rungs, "divergences": near_sign})
    ('sign', 'all')
    """
    rungs, lowest = result["rungs"], named(result["rung"], result["rungs"])
    passed = {r["name"] for r in rungs if r["loss"] >= lowest[-1]["loss"] - _SAME}
    away = result.get("divergences") or {}

    def distances(pair: tuple[str, str]) -> list[float]:
        found = [away.get(name) for name in pair]
        return sorted(math.inf if one is None else one for one in found)

    pairs = [
        (above, rung["name"])
        for rung in rungs
        for above in _just_above(rung, rungs)
        if above in passed and rung["name"] not in passed
    ]
    if not pairs:
        return result["rung"], None
    above, below = min(pairs, key=distances)
    # those that neither loss nor behaviour tells apart are named together
    return (result["rung"] if above in [r["name"] for r in lowest] else above), below


def _just_above(rung: Mapping[str, Any], rungs: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    if rung.get("includes") is not None:
        return rung["includes"]
    # of results of older versions it is not known, and rungs follow one another
    higher = [other for other in rungs if other["loss"] > rung["loss"] + _SAME]
    return [r["name"] for r in higher if r["loss"] <= higher[-1]["loss"] + _SAME]


def _with_loss(names: str, rungs: Sequence[Mapping[str, Any]]) -> str:
    return f"{names} ({named(names, rungs)[0]['loss']:.4f})"


def named(names: str | None, rungs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rungs that a result names; those it cannot tell apart stand side by side.

    >>> named("left or right", [{"name": "none"}, {"name": "left"}, {"name": "right"}])
    [{'name': 'left'}, {'name': 'right'}]
    """
    either = () if names is None else (names, *names.split(" or "))
    return [rung for rung in rungs if rung["name"] in either]


def standing(result: Mapping[str, Any]) -> str:
    """Return where a run stands, in as many words as a table has room for.

    >>> on = {"standing": "on", "stands_on": "lag 3", "rung": "lag 3"}
    >>> standing({**on, "knows": "the input 3 steps back"}), standing(on)
    ('on lag 3', 'at the loss of lag 3')
    >>> standing({"standing": "between", "rung": "lag 8"})
    'between, past lag 8'
    """
    match result.get("standing"):
        case "on":
            return f"{'on' if result.get('knows') else 'at the loss of'} {result['stands_on']}"
        case "between":
            return f"between, past {result['rung']}"
        case "above_ceiling" | "below_floor" as where:
            return where.replace("_", " the ")
        case _:
            return "not measured"


def _passed(result: Mapping[str, Any]) -> str | None:
    # by the loss in training, which says nothing of how it came down
    passed = [
        f"{rung['name']} at {rung['reached_at']}"
        for rung in result["rungs"]
        if rung["reached_at"] is not None
    ]
    return f"passed in training: {', '.join(passed)} updates" if passed else None


def _behaviour(result: Mapping[str, Any]) -> str:
    near = result["nearest"]
    away = f"{number(result['divergences'][near])} {result['unit']} away"
    return f"acts   most like the predictor of “{near}” ({away})"


def _uses(result: Mapping[str, Any]) -> str | None:
    told = used_inputs(result.get("uses") or ())
    return f"uses   input {' · '.join(told)}" if told else None


def _keeps(result: Mapping[str, Any]) -> str | None:
    told = kept_states(result["loss"], result["standard_error"], result.get("memory") or ())
    return f"keeps  {told}" if told else None


def kept_states(loss: float, error: float, memory: Sequence[Mapping[str, Any]]) -> str | None:
    """Return in words how many states a predictor of this loss has at least; None: nobody knows.

    Args:
        loss: for ever.
        error: standard error of that.
        memory: as in `result.json`.

    >>> three = [
    ...     {"states": states, "loss": loss, "name": name, "attained": True}
    ...     for states, loss, name in (
    ...         (1, 0.69, "1 state"), (2, 0.68, "2 states"), (3, 0.6, "3 states")
    ...     )
    ... ]
    >>> kept_states(0.64, 0.001, three)
    'more than 2 states, whose best machine has 0.6800; with 3 it could have 0.6000'
    >>> kept_states(0.69, 0.001, three)
    'no more than it takes to know nothing; with 2 states it could have 0.6800'
    >>> kept_states(0.71, 0.001, three)
    'no more than it takes to know nothing; with 2 states it could have 0.6800'
    >>> kept_states(0.5, 0.001, three)
    'more than 3 states, whose best machine has 0.6000'

    Of bits there is a bound, which no machine need attain:

    >>> bits = [{"states": 16, "loss": 0.6, "name": "4 bits", "attained": False}]
    >>> kept_states(0.5, 0.001, bits)
    'more than 4 bits, with which nobody has less than 0.6000'
    """
    marks = sorted((mark for mark in memory if mark["states"]), key=lambda mark: mark["states"])
    if not marks:
        return None
    beaten = [mark for mark in marks if loss < mark["loss"] - _CHANCE * error - 1e-9]
    words = "no more than it takes to know nothing"
    if beaten:
        best = beaten[-1]
        # results of older versions do not tell, and of them the bound is true all the same
        attained = best.get("attained", False)
        has = "whose best machine has" if attained else "with which nobody has less than"
        words = f"more than {best['name']}, {has} {best['loss']:.4f}"
    # the next that would have less
    left = [
        mark
        for mark in marks[len(beaten) :]
        # a single state is none
        if mark["states"] > 1 and mark["loss"] < loss - _CHANCE * error - 1e-9
    ]
    if left:
        could = left[0]
        number, unit = could["name"].split(maxsplit=1)
        words += f"; with {number}{'' if beaten else f' {unit}'} it could have {could['loss']:.4f}"
    return words


def strongest(theory: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the highest bound of theory, and the lowest loss that it says suffices.

    Args:
        theory: as in `result.json`.

    >>> low, high = ({"bound": "lower", "loss": loss} for loss in (1.1, 1.8))
    >>> strongest([low, high, {"bound": "warning", "loss": None}])
    [{'bound': 'lower', 'loss': 1.8}]
    """
    numbered = [mark for mark in theory if mark["loss"] is not None]
    lower = [mark for mark in numbered if mark["bound"] == "lower"]
    enough = [mark for mark in numbered if mark["bound"] == "suffices"]
    found = [max(lower, key=lambda mark: mark["loss"])] if lower else []
    return found + ([min(enough, key=lambda mark: mark["loss"])] if enough else [])


def _theory(result: Mapping[str, Any]) -> list[str]:
    theory = result.get("theory") or ()
    shown = strongest(theory)
    lines = [_stated(mark, result["loss"]) for mark in shown]
    # where nothing stands in the way, and something has been learnt, how long it lasts
    if (result.get("share") or 0.0) >= _LEARNT and all(m["bound"] != "lower" for m in shown):
        warnings = [mark for mark in theory if mark["bound"] == "warning"]
        lines += [f"{mark['says']} ({mark['source']})" for mark in warnings[:1]]
    return lines


def _stated(mark: Mapping[str, Any], loss: float) -> str:
    """Return a statement in words, and how a loss stands to it."""
    number = _named_loss(mark)
    away = f"{mark['agrees']} by {abs(loss - mark['loss']):.4f}"
    if mark["bound"] == "suffices":
        learning = f"{away}, a matter of learning, not of what it can express"
        ending = "agrees" if mark["agrees"] == "agrees" else learning
        return f"{mark['says']}, {number}: {ending} ({_by(mark)})"
    match mark["agrees"]:
        case "beats" if mark["asymptotic"]:
            ending = f"{away}, as short sequences can; {_LONGER}"
        case "beats":
            ending = f"{away}, which cannot be: the network is not what it says, or sees too much"
        case "falls short":
            ending = f"{away}: more could be learnt"
        case _:
            ending = "agrees"
    return f"{mark['says']}, not below {number}: {ending} ({_by(mark)})"


def _named_loss(mark: Mapping[str, Any]) -> str:
    rung = f" ({mark['rung']})" if mark["rung"] else ""
    return f"{mark['loss']:.4f}{rung}"


def _by(mark: Mapping[str, Any]) -> str:
    return f"corollary of {mark['source']}" if mark["kind"] == "corollary" else mark["source"]


def used_inputs(uses: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return in words which past inputs a network uses, each beside the truth.

    Neighbours that matter alike in truth are told together; of those that do not matter in truth,
    the one that moves the network most. A number with a sign is the rise of the chance of a one
    where the input is a one; one without is a total variation.

    Args:
        uses: as in `result.json`.

    >>> alike = {"variation_error": 0.01, "true_variation": 1.0}
    >>> used_inputs([{"lag": lag, "variation": 1 - lag / 100, **alike} for lag in (0, 1, 3)])
    ['now to 1 back: 0.99 to 1.00 of 1.00', '3 back: 0.97 of 1.00']
    >>> eight = {"lag": 8, "variation": 0.24, "variation_error": 0.01, "true_variation": 0.25}
    >>> nothing = {"variation": 0.08, "variation_error": 0.01, "true_variation": 0.0}
    >>> used_inputs([{"lag": 4, **nothing}, {**eight, "effect": -0.24, "true_effect": -0.25}])
    ['8 back: -0.24 of -0.25', 'elsewhere up to 0.08 (4 back)']
    """
    groups: list[list[Mapping[str, Any]]] = []
    vain: list[Mapping[str, Any]] = []
    for use in uses:
        last = groups[-1][-1] if groups else None
        if use["variation"] - 3 * use["variation_error"] > _LITTLE and not _worth(use):
            vain.append(use)
        elif _worth(use) and last and _are_neighbours(last, use):
            groups[-1].append(use)
        elif _worth(use):
            groups.append([use])
    strongest = sorted(groups, key=lambda group: -max(map(_strength, group)))[:_MOST_USES]
    told = [f"{_back(group)}: {_amounts(group)}" for group in groups if group in strongest]
    if len(groups) > len(told):
        told.append(f"{len(groups) - len(told)} more in result.json")
    if vain:
        most = [max(vain, key=_strength)]
        told.append(f"elsewhere up to {_amounts(most).partition(' of ')[0]} ({_back(most)})")
    return told


def _worth(use: Mapping[str, Any]) -> bool:
    """Return whether an input matters in truth, or nobody knows."""
    return use["true_variation"] is None or use["true_variation"] > 0.005


def _are_neighbours(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one["lag"] + 1 == other["lag"] and _amount(one)[1] == _amount(other)[1]


def _strength(use: Mapping[str, Any]) -> float:
    return max(use["variation"], use["true_variation"] or 0.0)


def _amount(use: Mapping[str, Any]) -> tuple[float, str]:
    """Return what a change of the input does to the network, and what in truth, in words."""
    effect, truth, variation = use.get("effect"), use.get("true_effect"), use["true_variation"]
    if variation is None:
        return use["variation"], ""
    if effect is not None and truth is not None:
        # A bit of a parity turns the answer either way, and no sign tells of it; where it is worth
        # nothing in truth, the sign is worth telling if it tells of the network.
        sign, of = (truth, variation) if variation else (effect, use["variation"])
        if 2 * abs(sign) >= of:
            return effect, f" of {truth + 0.0:+.2f}"
    return use["variation"], f" of {variation:.2f}"


def _amounts(group: Sequence[Mapping[str, Any]]) -> str:
    truth = _amount(group[0])[1]
    form = "{:+.2f}" if truth[4:5] in ("+", "-") else "{:.2f}"
    # rounded first, or there would be a -0.00
    amounts = [form.format(round(_amount(use)[0], 2) + 0.0) for use in group]
    amounts.sort(key=float)
    return " to ".join(dict.fromkeys([amounts[0], amounts[-1]])) + truth


def _back(group: Sequence[Mapping[str, Any]]) -> str:
    first, last = group[0]["lag"], group[-1]["lag"]
    where = [str(first or "now"), *([str(last)] if last > first else [])]
    return f"{' to '.join(where)}{' back' if last else ''}"


def _mistakes(result: Mapping[str, Any]) -> str:
    share = 100 * result["mistakes"] / result["sequences"]
    if result["mistakes"] == 0:
        return f"solved all {many(result['sequences'], 'sequence')} without a mistake"
    return (
        f"wrong  {result['mistakes']:,} of {many(result['sequences'], 'sequence')} ({share:.2f} %)"
    )


def _split(result: Mapping[str, Any]) -> str:
    line = f"train  error {100 * result['train_error']:.2f} % on the training set; "
    classes = result["hidden_classes"]
    if not classes:
        return line + "the split hid no class from it"
    share = 100 * result["hidden_sequences"] / result["sequences"]
    noun = "class" if len(classes) == 1 else "classes"
    tests = many(result["hidden_sequences"], "test sequence")
    line += (
        f"the split hid {len(classes)} {noun} from it ({', '.join(map(str, classes))}), "
        f"so that {tests} ({share:.2f} %) could not be learnt"
    )
    shown = result.get("loss_of_shown")
    # where all of the test set is hidden, nothing else is left to tell
    return line if shown is None else f"{line}; the rung is by the others, of loss {number(shown)}"

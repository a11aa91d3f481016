"""The verdict: what a result says, in words."""

from collections.abc import Mapping
from typing import Any

from lossladder.console import many

_ENDINGS = {
    "diverged": "The loss became infinite or no number: try a smaller optimizer.lr or "
    "trainer.gradient_clip=1.",
    "failed": "The run failed; its log has the traceback.",
    "interrupted": "The run was interrupted; its checkpoint is that of its last validation.",
}
_BEFORE_THE_FIRST = "The run was interrupted before its first checkpoint."


def verdict(result: Mapping[str, Any]) -> str:
    """Return what a person wants to know of a run, in a few lines.

    Args:
        result: as in `result.json`, or what `evaluate` measured again.
    """
    lines = ["{task} · {model} · {engine} · seed {seed}".format(**result)]
    # what was measured again has no ending, no updates and no speed
    status = result.get("status")
    if status == "interrupted" and result.get("loss") is None:
        lines.append(_BEFORE_THE_FIRST)
    elif status in _ENDINGS:
        lines.append(_ENDINGS[status])
    if result.get("why"):
        lines.append(" ".join(result["why"].split()))
    if result.get("loss") is not None:
        lines += [_loss(result), _rung(result), _behaviour(result)]
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
    loss, error, above = (number(result[key]) for key in ("loss", "standard_error", "above_floor"))
    return (
        f"loss   {loss} ± {error} {result['unit']} a step, "
        f"{above} above the floor {result['floor']:.4f}"
    )


def number(value: float) -> str:
    """Return a number with four decimals, or with three digits if they were all zeros.

    >>> number(0.45449), number(3.5101882e-05), number(0.0)
    ('0.4545', '3.51e-05', '0.0000')
    """
    return f"{value:.4f}" if value == 0 or abs(value) >= 5e-5 else f"{value:.3g}"


def _rung(result: Mapping[str, Any]) -> str:
    rungs = result["rungs"]
    if result["rung"] is None:
        return f"rung   none yet: worse than knowing {rungs[0]['knows']}"
    rung = next(rung for rung in rungs if rung["name"] == result["rung"])
    line = f"rung   {rung['name']} ({rung['loss']:.4f}): knows {rung['knows']}"
    passed = [
        f"{other['name']} at {other['reached_at']}"
        for other in rungs
        if other["reached_at"] is not None
    ]
    return f"{line}\npassed {', '.join(passed)} updates" if passed else line


def _behaviour(result: Mapping[str, Any]) -> str:
    # a network can stand on a rung by its loss and still get there in another way
    near = result["nearest"]
    away = f"{number(result['divergences'][near])} {result['unit']} away"
    return f"acts   most like the predictor of “{near}” ({away})"


def _mistakes(result: Mapping[str, Any]) -> str:
    share = 100 * result["mistakes"] / result["sequences"]
    if result["mistakes"] == 0:
        return f"solved all {many(result['sequences'], 'sequence')} without a mistake"
    return f"wrong  {result['mistakes']} of {many(result['sequences'], 'sequence')} ({share:.2f} %)"


def _split(result: Mapping[str, Any]) -> str:
    line = f"train  error {100 * result['train_error']:.2f} % on the training set; "
    classes = result["hidden_classes"]
    if not classes:
        return line + "the split hid no class from it"
    floor = 100 * result["hidden_sequences"] / result["sequences"]
    noun = "class" if len(classes) == 1 else "classes"
    tests = many(result["hidden_sequences"], "test sequence")
    return (
        f"{line}the split hid {len(classes)} {noun} from it ({', '.join(map(str, classes))}), "
        f"so that {tests} ({floor:.2f} %) could not be learnt"
    )

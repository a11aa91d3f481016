"""How far from its floor a loss lies, in words: one that is measured may lie a little below."""

import math

_NOTHING = 5e-5  # is 0.0000 in print


def from_floor(above: float, error: float | None = None, extra: str = "") -> str:
    """A distance and what its sampling error makes of it.

    Args:
        above: loss minus floor.
        error: its standard error; None: unknown.
        extra: what comes between number and words: a spread, the unit.

    >>> from_floor(0.0041, 0.0006)
    '0.0041 above the floor (standard error 0.0006)'
    >>> from_floor(-0.0003, 0.0006, " nats a step")
    '0.0003 nats a step below the floor, within its sampling error of 0.0006'
    >>> from_floor(-0.0018, 0.0006)
    '0.0018 below the floor, 3.0 times its sampling error of 0.0006: by chance, at most one in 741 \
lies so low'
    """
    if abs(above) < _NOTHING and not extra:
        return "on the floor"
    told = f"{abs(above):.4f}{extra} {'below' if above <= -_NOTHING else 'above'} the floor"
    if not error:
        return told
    size = standard_error(error)
    if above > -_NOTHING:
        return f"{told} (standard error {size})"
    away = -above / error
    if away <= 2:
        return f"{told}, within {'' if away <= 1 else 'twice '}its sampling error of {size}"
    # the true loss is at least the floor: were it the floor itself, so many would lie lower still
    odds = min(2 / max(math.erfc(away / math.sqrt(2)), 1e-300), 1e6)
    return (
        f"{told}, {away:.1f} times its sampling error of {size}: "
        f"by chance, at most one in {odds:,.0f} lies so low"
    )


def standard_error(error: float) -> str:
    """In as many digits as the losses beside it.

    >>> standard_error(0.0006), standard_error(2e-6)
    ('0.0006', 'less than 0.0001')
    """
    return "less than 0.0001" if error < _NOTHING else f"{error:.4f}"

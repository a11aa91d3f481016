"""tanh, the logistic function, exponentials and logarithms of lanes.

In float32 each is a polynomial or a ratio of two, because a call of the C library computes one
number at a time. In float64, which serves to check the derivation, they are the C library's.
Largest errors in float32, over all inputs: tanh and logistic 5e-7 absolute; exponential and
logarithm 2e-7 relative.
"""

import inspect
from typing import Any

from numba import njit, types
from numba.extending import overload

from lossladder.engines.fused.instructions import (
    choose,
    elementwise,
    larger,
    power_of_two,
    rough_reciprocal,
    smaller,
    split,
)


def compiled(function: Any) -> Any:
    """Compile a function to be called from compiled functions only.

    Sums may be regrouped and divisions become multiplications; "no NaNs" is never assumed. A
    division by zero gives infinity: Python's rule that it raises would put a branch into every
    division. Arrays belong to the caller, so nothing counts references; and every call is inlined,
    because handing over all the arrays of the working memory costs more than a small network.
    """
    decorate: Any = njit  # some of its options are not declared
    return decorate(
        nogil=True,
        forceinline=True,
        _nrt=False,
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        error_model="numpy",
        fastmath={"contract", "reassoc", "arcp", "nsz", "afn"},
    )(inspect.unwrap(function))  # tests wrap every function to check types


_exact_exp = elementwise("exp")
_exact_log = elementwise("log")
_nearest_whole = elementwise("rint")
magnitude = elementwise("fabs")


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent of x."""
    raise NotImplementedError("compiled code only")


def exponential(x: Any) -> Any:
    """Return exp(x) for x <= 0."""
    raise NotImplementedError("compiled code only")


def logarithm(x: Any) -> Any:
    """Return log(x) for x >= 1."""
    raise NotImplementedError("compiled code only")


def reciprocal(x: Any) -> Any:
    """Return 1 / x for x neither 0 nor infinite."""
    raise NotImplementedError("compiled code only")


@compiled
def logistic(x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    # the same curve as tanh, half as steep and half as high
    return 0.5 + 0.5 * tanh(0.5 * x)


@compiled
def _reciprocal_newton(x: Any) -> Any:
    # A division takes as long as half a tanh; a Newton step on a rough guess does not.
    r = rough_reciprocal(x)
    return r * (2.0 - x * r)


@compiled
def _reciprocal_exact(x: Any) -> Any:
    return 1.0 / x


@compiled
def _tanh_ratio(x: Any) -> Any:
    # An odd polynomial over an even one, the best of their degrees on [-8.2, 8.2] in largest error
    # (1.6e-7, before rounding); beyond, tanh is 1 to seven digits.
    x = smaller(larger(x, -8.2), 8.2)
    s = x * x
    p = 1.110280327e-5 * s + 2.919356828e-3
    p = p * s + 1.289537035e-1
    p = p * s + 9.999992177e-1
    q = 2.358115844e-7 * s + 2.342943737e-4
    q = q * s + 2.368377652e-2
    q = q * s + 4.622842017e-1
    q = q * s + 1.0
    return x * p * reciprocal(q)


@compiled
def _tanh_exact(x: Any) -> Any:
    # tanh |x| = (1 - e) / (1 + e) with e = exp(-2 |x|), which cannot overflow.
    e = _exact_exp(-2.0 * magnitude(x))
    t = (1.0 - e) / (1.0 + e)
    return choose(x, 0.0, 0.0 - t, t)


@compiled
def _exponential_polynomial(x: Any) -> Any:
    # x = n log 2 + r with |r| <= log(2) / 2, then 2**n times a polynomial close to exp(r).
    # below, exp(x) leaves the normal numbers
    x = larger(x, -87.0)
    n = _nearest_whole(x * 1.44269504)
    # log 2 in two parts, so that no digit is lost: n times the first is exact
    r = x - n * 0.693359375 + n * 2.12194440e-4
    p = 1.9875691500e-4 * r + 1.3981999507e-3
    p = p * r + 8.3334519073e-3
    p = p * r + 4.1665795894e-2
    p = p * r + 1.6666665459e-1
    p = p * r + 5.0000001201e-1
    return (p * r * r + r + 1.0) * power_of_two(n)


@compiled
def _logarithm_series(x: Any) -> Any:
    # x = m 2**n with m in [0.71, 1.41]; log m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172.
    m, n = split(x)
    n = choose(m, 1.41421356, n, n + 1.0)
    m = choose(m, 1.41421356, m, 0.5 * m)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    series = ((0.2222222 * z + 0.28571428) * z + 0.4) * z + 0.66666667
    value = s * (series * z + 2.0) + n * 0.69314718
    # NaN and infinity have bits like any number: pass them on
    return choose(x, 3e38, value, x)


def _by_precision(promise: Any, fast: Any, exact: Any) -> None:
    """Compile `promise` to `fast` for float32 lanes and to `exact` for float64."""

    @overload(promise, strict=False, inline="always")
    def chosen(x: Any) -> Any:
        return (lambda x: fast(x)) if x.dtype == types.float32 else (lambda x: exact(x))


_by_precision(tanh, _tanh_ratio, _tanh_exact)
_by_precision(exponential, _exponential_polynomial, _exact_exp)
_by_precision(logarithm, _logarithm_series, _exact_log)
_by_precision(reciprocal, _reciprocal_newton, _reciprocal_exact)

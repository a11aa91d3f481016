"""Random bits, eight sequences to a byte: coins at the price of a few logic operations."""

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Generator, Tensor

Packed = NDArray[np.uint8]  # (time, lanes): bit i of lane j is sequence 8 j + i

_FINEST = 8  # chances that are multiples of 2**-8 are drawn exactly from at most 8 random bits


def resolution(chances: NDArray[np.float64]) -> int | None:
    """Random bits needed to draw these chances exactly; None if 8 do not suffice.

    >>> resolution(np.array([0.5, 0.25, 1.0]))
    2
    >>> resolution(np.array([0.1])) is None
    True
    """
    for bits in range(1, _FINEST + 1):
        scaled = chances * 2.0**bits
        if np.array_equal(scaled, np.round(scaled)):
            return bits
    return None


def random_planes(generator: Generator, bits: int, num_steps: int, batch_size: int) -> Packed:
    """Fair random bits, (bits, time, lanes)."""
    shape = (bits, num_steps, -(-batch_size // 8))
    size = int(np.prod(shape))
    words = torch.empty(-(-size // 8), dtype=torch.int64)
    words.random_(-(2**63), None, generator=generator)  # all 64 bits of each word are random
    return words.numpy().view(np.uint8)[:size].reshape(shape)


def below(planes: Packed, numerator: int) -> Packed:
    """Coins that show one with chance numerator / 2**bits, where `planes` are bits of a number u.

    Each coin is the comparison u < numerator, made bit by bit from the least significant one:
    where the bits differ they decide, where they are alike the less significant ones have decided.
    """
    bits = len(planes)
    if numerator >= 2**bits:
        return np.full_like(planes[0], 0xFF)
    smaller = np.zeros_like(planes[0])
    for place, plane in enumerate(reversed(planes)):
        if numerator >> place & 1:
            smaller |= ~plane
        elif numerator % 2**place:  # else nothing is smaller yet
            smaller &= ~plane
    return smaller


def unpack(packed: Packed, batch_size: int) -> UInt8[Tensor, "batch time"]:
    """One symbol a sequence and step; stored time by time, so that the batch is contiguous."""
    if batch_size % 8 == 0:  # no lane is cut short: faster in one row
        symbols = np.unpackbits(packed.reshape(-1)).reshape(len(packed), batch_size)
    else:
        symbols = np.unpackbits(packed, axis=-1, count=batch_size)
    return torch.as_tensor(symbols).T


def pack(symbols: UInt8[Tensor, "batch time"]) -> Packed:
    """The inverse of `unpack`."""
    return np.packbits(symbols.T.numpy(), axis=-1)


def packed_coins(
    generator: Generator, chance: float, bits: int, batch_size: int, num_steps: int
) -> Packed:
    """Independent coins, packed; exact, because `bits` random bits suffice for the chance."""
    planes = random_planes(generator, bits, num_steps, batch_size)
    return below(planes, round(chance * 2**bits))


def coins(
    generator: Generator, chance: float, batch_size: int, num_steps: int
) -> UInt8[Tensor, "batch time"]:
    """Independent coins; exact wherever `resolution` finds the bits for it."""
    bits = resolution(np.array([chance]))
    if bits is None:
        draws = torch.rand(num_steps, batch_size, generator=generator, dtype=torch.float64)
        return (draws < chance).to(torch.uint8).T
    return unpack(packed_coins(generator, chance, bits, batch_size, num_steps), batch_size)

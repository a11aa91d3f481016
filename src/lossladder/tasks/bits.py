"""Random bits, eight sequences to a byte: coins at the price of a few logic operations; counted."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Generator, Tensor

from lossladder.ladder.machines import Strings

Packed = NDArray[np.uint8]  # (time, lanes): bit i of lane j is sequence 8 j + i

# chances that are multiples of 2**-8 are drawn exactly from at most 8 random bits
_FINEST = 8
# steps that all machines of two states read within a second
LONGEST_COUNTED = 100


def resolution(chances: NDArray[np.float64]) -> int | None:
    """Return the random bits needed to draw these chances exactly; None if 8 do not suffice.

    >>> resolution(np.array([0.5, 0.25, 1.0]))
    2
    >>> resolution(np.array([0.1])) is None
    True
    """
    # u < k has chance k / 2**bits, where u is a number of that many random bits
    for bits in range(1, _FINEST + 1):
        scaled = chances * 2.0**bits
        if np.array_equal(scaled, np.round(scaled)):
            return bits
    return None


def random_planes(generator: Generator, bits: int, num_steps: int, batch_size: int) -> Packed:
    """Draw packed fair bits, (bits, time, lanes)."""
    shape = (bits, num_steps, -(-batch_size // 8))
    size = int(np.prod(shape))
    words = torch.empty(-(-size // 8), dtype=torch.int64)
    # from the least integer to the largest: all 64 bits of each word are random
    words.random_(-(2**63), None, generator=generator)
    return words.numpy().view(np.uint8)[:size].reshape(shape)


def below(planes: Packed, numerator: int) -> Packed:
    """Return coins that show one with chance numerator / 2**bits.

    Each coin is the comparison u < numerator with a random number u, made bit by bit from the least
    significant one: where the bits differ they decide, where they are alike the less significant
    ones have decided.

    Args:
        planes: the bits of u, the most significant first.
        numerator: what u is compared with.
    """
    bits = len(planes)
    if numerator >= 2**bits:
        return np.full_like(planes[0], 0xFF)
    smaller = np.zeros_like(planes[0])
    for place, plane in enumerate(reversed(planes)):
        if numerator >> place & 1:
            # u is smaller where its bit is 0; where it is 1 the less significant ones decide
            smaller |= ~plane
        elif numerator % 2**place:
            # u is larger where its bit is 1; below the first 1 of the numerator none was smaller
            smaller &= ~plane
    return smaller


def unpack(packed: Packed, batch_size: int) -> UInt8[Tensor, "batch time"]:
    """Return packed bits as symbols, one byte for each sequence and step."""
    # stored time by time, so that the batch is contiguous, as the engines read it
    if batch_size % 8 == 0:
        # no lane is cut short: faster in one row
        symbols = np.unpackbits(packed.reshape(-1)).reshape(len(packed), batch_size)
    else:
        symbols = np.unpackbits(packed, axis=-1, count=batch_size)
    return torch.as_tensor(symbols).T


def pack(symbols: UInt8[Tensor, "batch time"]) -> Packed:
    """Return symbols as `unpack` takes them: its inverse."""
    return np.packbits(symbols.T.numpy(), axis=-1)


def every_string(length: int) -> UInt8[Tensor, "strings time"]:
    """Return all strings of so many bits, in counting order.

    >>> every_string(2).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    numbers = torch.arange(2**length)
    places = torch.arange(length - 1, -1, -1)  # the first bit is the most significant
    return (numbers[:, None] >> places & 1).to(torch.uint8)


def packed_coins(
    generator: Generator, chance: float, bits: int, batch_size: int, num_steps: int
) -> Packed:
    """Draw independent coins, packed; exact where `bits` random bits suffice for the chance."""
    planes = random_planes(generator, bits, num_steps, batch_size)
    return below(planes, round(chance * 2**bits))


def coins(
    generator: Generator, chance: float, batch_size: int, num_steps: int
) -> UInt8[Tensor, "batch time"]:
    """Draw independent coins; exact wherever `resolution` finds the bits for it."""
    bits = resolution(np.array([chance]))
    if bits is None:
        # time by time like the packed ones, so that engines find the batch contiguous
        draws = torch.rand(num_steps, batch_size, generator=generator, dtype=torch.float64)
        return (draws < chance).to(torch.uint8).T
    return unpack(packed_coins(generator, chance, bits, batch_size, num_steps), batch_size)


def counted(chance: float, asked: Float[Tensor, "steps counts targets"]) -> Strings:
    """Return strings of coins whose ones are counted, modulo the number of counts there are.

    Args:
        chance: of a one.
        asked: see `Strings`.
    """
    stays = torch.eye(asked.shape[1], dtype=torch.float64)
    rises = stays.roll(1, dims=1)
    moves = torch.stack([(1 - chance) * stays, chance * rises]).numpy()
    return Strings([moves] * len(asked), stays[0].numpy(), [*asked.numpy()])

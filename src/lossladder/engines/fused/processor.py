"""The processor that kernels are compiled for: its name, its features, and its registers."""

import os
from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm


@dataclass(frozen=True)
class Processor:
    """What code is compiled for.

    Args:
        triple: machine and system, as LLVM writes them.
        name: of the processor, as LLVM knows it; empty: any of its kind.
        features: of its instructions, each with + or -, separated by commas.
    """

    triple: str
    name: str
    features: str

    @property
    def register(self) -> int:
        """Return how many float32 it computes at once.

        >>> Processor("x86_64-unknown-linux-gnu", "", "+avx2,-avx512f").register
        8
        """
        enabled = {feature[1:] for feature in self.features.split(",") if feature[:1] == "+"}
        if {"avx512f", "avx512vl"} <= enabled:
            return 16
        return 8 if "avx2" in enabled else 4

    @property
    def fewest(self) -> int:
        """Return how many float32 it computes at once where few are left.

        >>> Processor("x86_64-unknown-linux-gnu", "", "+avx512f,+avx512vl").fewest
        8
        """
        return min(self.register, 8)

    @property
    def is_x86(self) -> bool:
        """Return whether it has the instructions that are x86's own."""
        return self.triple.startswith("x86_64")

    @property
    def look_up(self) -> tuple[str, int] | None:
        """Return LLVM's name of the instruction that looks numbers up, and in how many; or None."""
        # AVX2 has one for eight numbers, which are too few to win anything
        wide = self.is_x86 and self.register == 16
        return ("llvm.x86.avx512.vpermi2var.ps.512", 32) if wide else None

    def reciprocal_table(self, width: int) -> str | None:
        """Return LLVM's name of the instruction that guesses so many 1 / x; None: it has none."""
        if not self.is_x86 or width < 8:
            return None
        return (
            f"llvm.x86.avx512.rcp14.ps.{32 * width}"
            if self.register == 16
            else "llvm.x86.avx.rcp.ps.256"
        )


@cache
def this_processor() -> Processor:
    """Return the processor of this machine; or what the environment says, to try another."""
    named, features = map(os.getenv, ("LOSSLADDER_CPU", "LOSSLADDER_CPU_FEATURES"))
    return Processor(
        llvm.get_default_triple(),
        llvm.get_host_cpu_name() if named is None else named,
        llvm.get_host_cpu_features().flatten() if features is None else features,
    )

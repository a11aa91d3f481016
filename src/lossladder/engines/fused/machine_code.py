"""From LLVM's language to machine code in memory, and to bytes that can be kept and loaded."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from lossladder.engines.fused import store
from lossladder.engines.fused.processor import Processor

_SMALL = 190_000  # characters
_LOADED: dict[str, "MachineCode"] = {}


def compile_module(text: str, processor: Processor) -> bytes:
    """Return an object file of a module."""
    machine = _machine(processor)
    return machine.emit_object(_optimised(text, machine))


def assemble(text: str, processor: Processor) -> str:
    """Return the assembly of a module, to be read."""
    machine = _machine(processor)
    return machine.emit_assembly(_optimised(text, machine))


def _optimised(text: str, machine: Any) -> Any:
    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    # the lanes are the vectors
    options.loop_vectorization = False
    options.slp_vectorization = False
    # of many loops it takes a second and wins nothing
    options.loop_unrolling = len(text) < _SMALL
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return module


class MachineCode:
    """An object file, loaded.

    Args:
        content: of the object file.
        processor: that it was compiled for.
        functions: names of what is to be called.
    """

    def __init__(self, content: bytes, processor: Processor, functions: Sequence[str]) -> None:
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(processor))
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(content))
        self._engine.finalize_object()
        self.addresses = [self._engine.get_function_address(name) for name in functions]


def load(text: str, processor: Processor, functions: Sequence[str]) -> MachineCode:
    """Return a module's machine code: from memory, from disk, or compiled."""
    key = store_key(text, processor)
    if key not in _LOADED:
        kept = store.find(key)
        content = kept or compile_module(text, processor)
        _LOADED[key] = MachineCode(content, processor, functions)
        if kept is None:
            store.keep(key, content)
    return _LOADED[key]


def load_function(
    text: str, processor: Processor, name: str
) -> tuple[Callable[[Any], None], MachineCode]:
    """Return `void name(i64 *arguments)` as Python can call it, and what holds its code."""
    code = load(text, processor, (name,))
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.addresses[0]), code


def store_key(text: str, processor: Processor) -> str:
    """Return all that machine code depends on."""
    return repr((text, processor, llvmlite.__version__))


def _machine(processor: Processor) -> Any:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(processor.triple)
    return target.create_target_machine(
        cpu=processor.name,
        features=processor.features,
        opt=2,
        jit=True,
        codemodel="jitdefault",
    )

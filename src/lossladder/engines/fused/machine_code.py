"""From LLVM's language to machine code in memory, and to bytes that can be kept and loaded."""

from collections.abc import Sequence
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
    return machine.emit_object(module)


def assemble(text: str, processor: Processor) -> str:
    """Return the assembly of a module, to be read."""
    module = llvm.parse_assembly(text)
    module.verify()
    return _machine(processor).emit_assembly(module)


class MachineCode:
    """An object file, loaded.

    Args:
        content: of the object file.
        processor: that it was compiled for.
        functions: names of what is to be called.
    Raises:
        RuntimeError: if it is none.
    """

    def __init__(self, content: bytes, processor: Processor, functions: Sequence[str]) -> None:
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(processor))
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(content))
        self._engine.finalize_object()
        self.addresses = [self._engine.get_function_address(name) for name in functions]
        if not all(self.addresses):
            raise RuntimeError(f"an object file without {functions}")


def is_kept(text: str, processor: Processor) -> bool:
    """Return whether a module's machine code is loaded, or lies whole on disk."""
    key = _key(text, processor)
    return key in _LOADED or store.find(key) is not None


def load(text: str, processor: Processor, functions: Sequence[str]) -> MachineCode:
    """Return a module's machine code: from memory, from disk, or compiled."""
    key = _key(text, processor)
    if key not in _LOADED:
        content = store.find(key)
        if content is not None:
            try:
                _LOADED[key] = MachineCode(content, processor, functions)
                return _LOADED[key]
            except RuntimeError:  # as it was written, and still nothing that LLVM can load
                store.discard(key)
        content = compile_module(text, processor)
        _LOADED[key] = MachineCode(content, processor, functions)
        store.keep(key, content)
    return _LOADED[key]


def _key(text: str, processor: Processor) -> str:
    """Return all that machine code depends on."""
    return repr((text, processor, llvmlite.__version__))


def _machine(processor: Processor) -> Any:
    for initialise in (
        llvm.initialize_all_targets,
        llvm.initialize_all_asmprinters,
    ):
        initialise()
    target = llvm.Target.from_triple(processor.triple)
    return target.create_target_machine(
        cpu=processor.name,
        features=processor.features,
        opt=2,
        jit=True,
        codemodel="jitdefault",
    )

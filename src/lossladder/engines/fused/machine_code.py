"""From LLVM's language to machine code in memory, and to bytes that can be kept and loaded."""

from typing import Any

import llvmlite.binding as llvm

from lossladder.engines.fused.processor import Processor

_SMALL = 190_000  # characters
FUNCTIONS = ("forward", "backward", "begin", "prologue", "epilogue")


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
    Raises:
        RuntimeError: if it is none.
    """

    def __init__(self, content: bytes, processor: Processor) -> None:
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(processor))
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(content))
        self._engine.finalize_object()
        self.addresses = [self._engine.get_function_address(name) for name in FUNCTIONS]
        if not all(self.addresses):
            raise RuntimeError("an object file without the functions of a kernel")


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

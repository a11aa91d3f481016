"""A process that has loaded everything and forks the programs of tests: each starts in no time.

Lines of JSON come in: a command, which is begun, or {"wait": pid}; what goes out is the process id
or the exit code.
"""

import contextlib
import json
import os
import sys
import traceback


def begin(command: dict) -> int:
    """Fork `python train.py *argv`; return its process id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.setsid()
        os.chdir(command["cwd"])
        os.environ.update(command["env"])
        sys.path.insert(0, command["cwd"])
        out = os.open(command["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        for stream in (1, 2):
            os.dup2(out, stream)
        from lossladder.cli.main import run

        code = run(command["argv"], packages=command["packages"]).code
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Serve until nobody asks any more."""
    import torch
    from hydra.core.plugins import Plugins

    import lossladder.cli.main
    import lossladder.engines.stacked
    import lossladder.report.page
    import lossladder.report.terminal
    import lossladder.sweeps.pool
    import lossladder.train  # noqa: F401
    from lossladder.engines.fused.loop import compiled

    Plugins.instance()
    compiled(double=False, class_bytes=1)
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        command = json.loads(line)
        if "wait" in command:
            _, status = os.waitpid(command["wait"], 0)
            answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        else:
            answers.write(f"{begin(command)}\n")


if __name__ == "__main__":
    main()

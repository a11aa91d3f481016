"""One sweep on a Ray of two nodes, disturbed in one way: `python on_ray.py FOLDER WHOLE WAY`."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "faults"))
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}

from commands import SWEEP, Command, assert_alike
from ray.cluster_utils import Cluster


def workers() -> Iterator[int]:
    """Yield the process of each worker."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (path / "cmdline").read_bytes().split(b"\0")
            parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
            kin = Path(f"/proc/{parent}/cmdline").read_bytes()
            # not what the worker has forked, which has its name
            if words[1:3] == [b"-m", b"lossladder.sweeps.cluster"] and words[2] not in kin:
                yield int(path.name)


def main(folder: Path, whole: Path, way: str) -> None:
    """Train the sweep on two nodes; raise where it does not end as the undisturbed one."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    words = (*SWEEP, "launch=ray", f"launch.address={cluster.address}", "launch.workers=2")
    try:
        command = Command(folder / "sweep", os.environ, *words, "launch.mem_gb=null")
        said, code = "", 0
        if way != "nothing":
            assert command.wait_for(lambda: command.trains() and len([*workers()]) == 2, 600)
        if way == "KILL":
            os.kill(next(workers()), signal.SIGKILL)
            said = "was killed by SIGKILL"
        elif way == "a lost node":
            cluster.remove_node(second, allow_graceful=False)
            said = "was lost"
        elif way == "Ctrl-C":
            command.process.send_signal(signal.SIGINT)
            said, code = "interrupted", 1
        assert command.end() == code, command.said
        assert said in command.said
        if code:
            again = Command(folder / "sweep", os.environ, *words, "launch.mem_gb=null")
            assert again.end() == 0, again.said
        assert_alike(folder / "sweep", whole)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

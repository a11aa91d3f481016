"""A Slurm of one's own: a controller and a node on the loopback, for as long as the tests last."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "mungekey", "sbatch", "srun", "scontrol")

# both words of CommunicationParameters are needed, or the controller listens on every interface
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=5
ReturnToService=2
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=20000 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=9
"""


def missing() -> str | None:
    """Return why there can be no Slurm here; None: there can."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        return f"no {', '.join(lacking)}: apt-get install slurmctld slurmd slurm-client munge"
    return None if getpass.getuser() == "root" else "slurmd starts jobs as root only"


@contextmanager
def slurm(folder: Path, cores: int) -> Iterator[dict[str, str]]:
    """Yield the environment in which Slurm's commands reach a Slurm that was begun for it."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    config = folder / "slurm.conf"
    host = socket.gethostname().partition(".")[0]
    config.write_text(CONFIG.format(folder=folder, host=host, cores=cores, ports=_ports()))
    environment = {**os.environ, "SLURM_CONF": str(config)}
    key, socket_ = folder / "munge.key", folder / "munge.socket"
    subprocess.run(["mungekey", "--create", f"--keyfile={key}"], check=True)
    programs = (
        ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={socket_}",
         f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munged.seed"],
        ["slurmctld", "-D", "-f", str(config)],
        ["slurmd", "-D", "-f", str(config), "-N", host],
    )  # fmt: skip
    running: list[subprocess.Popen[bytes]] = []
    try:
        for words in programs:
            with (folder / f"{words[0]}.log").open("wb") as log:
                running.append(subprocess.Popen(words, env=environment, stdout=log, stderr=log))
            if words[0] == "munged":
                _until(socket_.exists, folder)
        _until(lambda: _idle(environment), folder)
        yield environment
    finally:
        with suppress(OSError, subprocess.SubprocessError):
            words = ["scancel", "--user=root", "--full"]
            subprocess.run(words, env=environment, timeout=10, check=False)
        for process in reversed(running):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _idle(environment: dict[str, str]) -> bool:
    words = ["sinfo", "--noheader", "--format=%T"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    return "idle" in done.stdout


def _until(ready: Callable[[], object], folder: Path) -> None:
    late = time.monotonic() + 60
    while not ready():
        logs = "\n".join(path.read_text() for path in folder.glob("*.log"))
        assert time.monotonic() < late, logs
        time.sleep(0.1)


def _ports() -> list[int]:
    """Return two ports that are free on the loopback."""
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return [first.getsockname()[1], second.getsockname()[1]]

"""A network of one's own for Ray, which listens on every interface."""

import shutil
import subprocess
from importlib.util import find_spec

# words before those of a command
ALONE = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def missing() -> str | None:
    """Return why there can be no Ray here; None: there can."""
    if find_spec("ray") is None:
        return "no ray: pip install -e '.[ray]'"
    if lacking := [name for name in ("unshare", "ip") if shutil.which(name) is None]:
        return f"no {', '.join(lacking)}: apt-get install util-linux iproute2"
    alone = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return None if alone.returncode == 0 else "no network of its own: needs root"

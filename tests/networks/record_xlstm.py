"""Writes xlstm_reference.json: what the authors' own code of xLSTM puts out.

    pip download xlstm==2.0.6 --no-deps && unzip xlstm-2.0.6-py3-none-any.whl -d reference
    python tests/networks/record_xlstm.py reference/xlstm

Weights and inputs are those of `drawn.py`. From the package come the step of sLSTM
(blocks/slstm/src/vanilla/slstm.py) and both forms of mLSTM (blocks/mlstm/backends.py, with eps=0),
in float64; maps of the input, which lie in other modules there, are taken from our networks.
"""

import json
import runpy
import sys
from pathlib import Path

import torch
from drawn import drawn, inputs

from lossladder.models import MLSTM, SLSTM


@torch.no_grad()
def slstm(package: Path) -> list:
    step = runpy.run_path(str(package / "blocks/slstm/src/vanilla/slstm.py"))
    network = drawn(SLSTM(2, 3))
    weight_x, weight_h = network.weight.split([2, 3], dim=1)
    bias = torch.cat([torch.zeros(3), network.bias])[None]  # ours has none for i
    states, hiddens = torch.zeros(4, 2, 3, dtype=torch.float64), []
    for x in torch.as_tensor(inputs(2, 6, 2)).unbind(1):
        # its states are h, c, n, m, and its gates i, f, z, o, as ours
        parts = x @ weight_x.T, states[0] @ weight_h.T, bias
        states, _ = step["slstm_forward_pointwise"](*parts, states, {})
        hiddens.append(states[0])
    return torch.stack(hiddens, 1).tolist()


@torch.no_grad()
def mlstm(package: Path) -> dict[str, list]:
    backends = runpy.run_path(str(package / "blocks/mlstm/backends.py"))
    network = drawn(MLSTM(2, 3))
    parts = network.project(torch.as_tensor(inputs(2, 6, 2))).split(network.sizes, dim=-1)
    q, k, v, o, i, f = (part[:, None] for part in parts)  # one head
    parallel = backends["parallel_stabilized_simple"](q, k, v, i, f, eps=0.0)
    zeros = (torch.zeros(2, 1, *shape, dtype=torch.float64) for shape in ((3, 3), (3, 1), (1, 1)))
    state, hiddens = tuple(zeros), []
    for t in range(6):
        now = (part[:, :, t : t + 1].clone() for part in (q, k, v, i, f))
        h, state = backends["recurrent_step_stabilized_simple"](*state, *now, eps=0.0)
        hiddens.append(h)
    gate = torch.sigmoid(o)
    both = {"parallel": parallel, "recurrent": torch.cat(hiddens, dim=2)}
    return {name: (gate * h)[:, 0].tolist() for name, h in both.items()}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    record = {"package": "xlstm 2.0.6", "slstm": slstm(folder), "mlstm": mlstm(folder)}
    target = Path(__file__).with_name("xlstm_reference.json")
    target.write_text(json.dumps(record, indent=1) + "\n")

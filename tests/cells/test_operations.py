"""Every operation of torch's that the reader claims means here what it means there."""

import math
import re

import numpy as np
import pytest
import torch
from interpreter import step
from torch import nn
from torch.nn import functional
from torch.optim import SGD
from zoo import Plain

from lossladder.engines import Chunk, FusedPopulation
from lossladder.engines.fused import operations
from lossladder.engines.fused.operations import Operations
from lossladder.engines.fused.tracing import trace
from lossladder.models import Network
from lossladder.tasks import Echo

# of a vector u (batch, 6), a matrix m (batch, 2, 6), the input x (batch, 3), parameters p (6),
# q (2, 6) and s (6, 6), and a buffer c (6); each is a vector (batch, n) or a matrix
ELEMENTWISE = """
u.abs() | torch.cos(u) | torch.erf(u) | torch.exp(u) | u - torch.floor(3 * u)
torch.log(u.abs() + 1) | -u | torch.reciprocal(u + 3) | torch.relu(u) | u + torch.round(5 * u)
torch.sigmoid(u) | torch.sin(u) | torch.sqrt(u + 3) | torch.square(u) | torch.tanh(u) | u / (p + 3)
u / (u + 3) | torch.maximum(u, p) | torch.minimum(u, p) | u * p | u * u | 1 / (u + 3) | u / 3
u.div(2.5) | u * 0.3 | u + p | torch.add(u, p, alpha=0.3) | u - p | torch.sub(u, p, alpha=0.3)
2 - u | torch.rsub(u, p) | u ** 2 | u ** 3 | (u + 3) ** 0.5 | (u + 3) ** -0.5 | (u + 3) ** -1
(u + 3) ** -2 | (u + 3) ** 1.7 | 2 ** u | torch.pow(2.0, u) | (u + 3) ** -1.5 | torch.rsqrt(u + 3)
torch.log1p(u + 3) | u ** -3 | torch.expm1(u) | (u + 3) ** 0 + u | (u + 3) ** 1
torch.pow(u + 3, p) | (p + 3) ** u | u ** 4 | u ** 0 * u | functional.softplus(u)
functional.softplus(u, beta=3) | functional.softplus(u, threshold=0.1) | functional.softplus(30 * u)
functional.logsigmoid(u) | functional.silu(u) | functional.gelu(u)
functional.gelu(u, approximate='tanh') | functional.elu(u) | functional.elu(u, 0.4)
functional.selu(u) | functional.celu(u, 0.7) | functional.mish(u) | functional.leaky_relu(u, 0.2)
functional.leaky_relu(u) | functional.relu6(9 * u) | functional.hardtanh(2 * u)
functional.hardswish(4 * u) | functional.hardsigmoid(4 * u) | functional.softsign(u)
functional.tanhshrink(u) | functional.softshrink(u, 0.2) | functional.hardshrink(u, 0.2)
functional.threshold(u, 0.1, -0.3) | functional.glu(torch.cat([u, x, x], -1))
functional.prelu(u, p[:1]) | functional.logsigmoid(-30 * u) | nn.functional.relu(u).square()
torch.lerp(u, p.expand_as(u), 0.3) | torch.lerp(u, torch.tanh(u), torch.sigmoid(u))
u.lerp(2 * u, p) | torch.addcmul(u, u, p) | torch.addcmul(u, u, p, value=0.3)
torch.addcdiv(u, u, p + 3, value=0.3) | u.clamp(-0.3, 0.4) | u.clamp(min=-0.3) | u.clamp(max=0.3)
torch.clamp_min(u, 0.1) | torch.clamp_max(u, 0.1) | u.clamp(min=p) | u + torch.ceil(4 * u)
u + torch.sign(u) | u * u.sgn() | u + torch.trunc(4 * u) | u + torch.frac(3 * u).detach()
torch.where(u < 0.1, u, p) | torch.where(u > p, u, 0.1) | torch.where(u >= 0.1, u, p)
torch.where(u <= 0.1, 2.0, u) | torch.where(~(u < 0.1), u, p)
torch.where(torch.logical_not(u < 0.1), u, p) | torch.where((u < 0.4) & (u > -0.4), u, p)
torch.where(torch.bitwise_or(u < -0.4, u > 0.4), u, p)
torch.where(torch.logical_and(u < 0.4, p < 0), u, -u)
torch.where(torch.logical_or(u < 0.4, p < 0), u, -u) | torch.where(u == u.abs(), u, 3 * u)
torch.where(u != u.abs(), u, 3 * u) | torch.where(c > 0.7, u, 2 * u) | torch.where(p > 0, u, 2 * u)
(u > 0).to(u.dtype) * u | (u > 0).double() * u | (u > 0) * u | u.masked_fill(u > 0.2, -0.1)
u.masked_fill(torch.tensor([True, False, True, False, True, False]), 0.3)
u * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) | u * torch.linspace(0, 1, 6)
u + torch.arange(6, device=u.device) | u * torch.tensor([1.0, 2, 3, 4, 5, 6], device=x.device)
u * u.new_tensor([1.0, 2, 3, 4, 5, 6]) | u @ torch.eye(6, device=u.device, dtype=u.dtype)
u * torch.full((6,), 0.3) | u + torch.full_like(u, 0.3) | u + u.new_full((6,), 0.2)
u + u.new_zeros(6) | u + torch.zeros_like(u) | u + torch.zeros(6) | u + u.new_ones(6)
u + torch.ones_like(u) | u + torch.ones(6) | u + torch.zeros(u.shape[0], 6)
u + torch.scalar_tensor(2.0) | u * torch.tensor(0.3) | u * math.pi | u.detach() + u | u.clone()
u.contiguous() | u.to(u.dtype) | u.double() | u.type_as(x) | u + 0 | u * 1 | u * -1
torch.logaddexp(u, p) | torch.hypot(u, p + 3) | torch.sinh(u) | torch.cosh(u) | torch.tan(u)
torch.erfc(u) | torch.special.expit(u) | torch.deg2rad(u) | torch.exp2(u) | torch.log2(u + 3)
torch.log10(u + 3) | torch.sinc(u + 3) | torch.remainder(u, 0.7)
"""
SHAPES = """
m.view(-1, 12) | m.reshape(-1, 12) | m.flatten(1) | u.unsqueeze(1).squeeze(1) | u.view(-1, 3, 2)
u.unflatten(-1, (2, 3)) | u.unsqueeze(1).expand(-1, 2, -1) | u[:, None, :].expand_as(m)
u.repeat(1, 2) | m.repeat(1, 2, 1) | u.repeat_interleave(2, -1) | m.permute(0, 2, 1)
m.transpose(1, 2) | m.mT | m.transpose(-1, -2).reshape(-1, 12) | m.swapaxes(1, 2) | m.movedim(1, 2)
u @ s.t() | u @ s.T | u[:, 1:4] | u[:, ::2] | u[:, -2:] | u[..., :-1] | m[:, 1] | m[..., 2]
m[:, 1, 2:5] | m[:, :, -1] | u[:, 3:4] | m[:, 0, 0][:, None] | u[:, [3, 0, 1]]
u[:, torch.tensor([3, 0, 1])] | m[:, :, [0, 5]] | u.index_select(1, torch.tensor([2, 2, 4]))
torch.select(u, 1, 2)[:, None] | u[:, torch.tensor([True, False, True, False, True, True])]
torch.index_select(u, -1, torch.tensor([5, 4])) | u.narrow(1, 2, 3)
torch.cat(u.split(2, -1)[::-1], -1) | torch.cat(u.split([1, 5], -1)[::-1], -1) | u.chunk(3, -1)[1]
u.tensor_split(3, -1)[1] | torch.stack(m.unbind(1), -1) | m.unbind(1)[1] | u.flip(-1) | m.flip(1)
m.flip(1, 2) | torch.fliplr(u) | u.roll(1, -1) | u.roll(-2, 1) | m.roll((1, 2), (1, 2))
torch.roll(u, 7, dims=-1) | torch.cat([u, x], -1) | torch.cat([m, u[:, None]], 1)
torch.cat([m, m], -1) | torch.hstack([u, x]) | torch.concat([u, p.expand_as(u)], 1)
torch.cat([u, torch.zeros_like(x)], -1) | torch.cat([x.new_zeros(x.shape[0], 2), u], -1)
torch.stack([u, 2 * u], 1) | torch.stack([u, p.expand_as(u)], -1) | torch.stack([u, u, u], -2)
functional.pad(u, (1, 2)) | functional.pad(u, (-1, 2), value=0.5) | functional.pad(m, (0, 1, 1, 0))
torch.tril(u[:, :, None] * u[:, None]) | torch.triu(u[:, :, None] * u[:, None], 1)
torch.diagonal(u[:, :, None] * u[:, None], dim1=1, dim2=2) | torch.diag_embed(u) | torch.diff(u)
torch.linalg.diagonal(u[:, :, None] * u[:, None]) | u.unfold(1, 3, 1) | u * c | m * q | m * p
m + q[:, :1] | m * u[:, None] | m * q[0] | torch.broadcast_to(u[:, :1], u.shape)
torch.tile(u, (1, 2)) | torch.meshgrid(p, p, indexing='ij')[0] * u[:, None] | u.view_as(u)
u.reshape_as(u) | torch.atleast_2d(u) | torch.adjoint(m) | u.view(u.size(0), 2, 3).sum(1)
torch.rot90(m, 1, (1, 2))
"""
SUMS = """
u.sum(-1, keepdim=True) | u.sum(1)[:, None] | m.sum(1) | m.sum(-1) | m.sum((1, 2))[:, None]
m.sum(dim=(1, 2), keepdim=True) | torch.sum(m, -2) | u.mean(-1, keepdim=True) | m.mean(1)
m.mean((1, 2), keepdim=True) | u * p.sum() | u * p.mean() | u * q.sum(0)
u * q.mean(0, keepdim=True) | m.amax(1) | m.amax(-1) | m.amax((1, 2))[:, None] | m.amin(1)
u.amin(-1, keepdim=True) | torch.cat([u, x], -1).amax(-1, keepdim=True)
torch.stack([u, 2 * u, -u], 1).amax(1) | u.var(-1, keepdim=True) | m.var(1, correction=0)
m.std(-1) | torch.var_mean(m, -1)[0] | torch.std_mean(m, -1)[1] | u * p.std()
u.norm(dim=-1, keepdim=True) | m.norm(dim=1) | m.norm(p=1, dim=1)
torch.linalg.vector_norm(m, dim=(1, 2))[:, None] | torch.linalg.norm(u, dim=-1, keepdim=True)
u / s.norm() | m.norm(p='fro', dim=(1, 2))[:, None] | functional.normalize(u, dim=-1)
functional.normalize(m, dim=1) | functional.cosine_similarity(u, 2 * u + p, dim=-1)[:, None]
torch.softmax(u, -1) | torch.softmax(m, 1) | torch.log_softmax(u, -1) | torch.log_softmax(m, 1)
torch.logsumexp(u, -1, keepdim=True) | torch.logsumexp(m, 1) | functional.softmin(u, -1)
u * torch.softmax(p, 0) | u * torch.softmax(q, 0)[0] | u * torch.log_softmax(p, 0)
u * p.logsumexp(0) | torch.softmax(torch.cat([u, x], -1), -1) | u.cumsum(-1) | m.cumsum(1)
torch.cumsum(m, -1) | functional.layer_norm(u, (6,)) | functional.layer_norm(u, (6,), p, c)
functional.layer_norm(m, (2, 6)) | functional.layer_norm(m, (6,), eps=0.1)
functional.rms_norm(u, (6,)) | functional.rms_norm(m, (6,), p, 0.1)
functional.rms_norm(u, (6,), p) | functional.group_norm(u, 2) | functional.group_norm(m, 2, eps=0.1)
u.prod(-1, keepdim=True) | m.prod(1) | torch.trace(s) * u | u * p.cumsum(0)
"""
PRODUCTS = """
u @ s | functional.linear(u, s) | functional.linear(u, s, p) | functional.linear(m, s, p) | m @ s
u @ s[:, :2] | u @ s[1:5].T.mT.sum(0, keepdim=True).T | torch.mm(u, s)
u + p.expand(u.shape[0], -1) @ s | u * functional.linear(p.expand_as(u), s, p)
torch.addmm(p, u, s) | torch.addmm(p, u, s, beta=0.3, alpha=0.2) | torch.matmul(u, s)
(u @ p)[:, None] | torch.mv(u, p)[:, None] | u @ s @ s | torch.bmm(m, m.mT) | m @ m.transpose(1, 2)
(m @ u[:, :, None])[..., 0] | torch.bmm(u[:, None], m.mT)[:, 0] | u[:, :, None] * u[:, None]
torch.bmm(u[:, :, None], u[:, None]) | torch.baddbmm(m, m @ m.mT, m)
torch.einsum('bi,bj->bij', u, u) | torch.einsum('bij,bj->bi', m, u)
torch.einsum('bij,bkj->bik', m, m) | torch.einsum('bi,ij->bj', u, s)
torch.einsum('bki,ij->bkj', m, s) | torch.einsum('bi,bi->b', u, u)[:, None]
torch.einsum('bi,ki->bk', u, q) | torch.linalg.vecdot(u, u)[:, None] | torch.inner(u, q)
torch.tensordot(u, s, 1) | torch.linalg.cross(x, 2 * x + 1) | torch.linalg.multi_dot([u, s, s])
u @ torch.matrix_exp(s - s.T) | u @ torch.linalg.matrix_exp(s) | u @ (s @ s.T) | u @ (s - s.T)
u @ torch.tril(s) | u @ torch.block_diag(s[:3, :3], s[3:, 3:]) | u @ torch.outer(p, p)
u @ torch.diag(p) | u @ torch.kron(s[:2, :2], s[:3, :3]) | u @ functional.normalize(s, dim=1)
u @ torch.softmax(s, -1) | u @ (s * torch.sigmoid(s)) | u @ (s.flip(0)) | u @ s[[2, 0, 1, 5, 4, 3]]
u @ torch.cat([q, q, q]) | u @ (q.T @ q) | u @ torch.einsum('ki,kj->ij', q, q) | u @ s.roll(1, 0)
u @ torch.stack([p, p, p, p, p, p]) | u @ torch.linalg.matrix_power(s, 2) | u @ (s / s.norm(dim=0))
u @ s.reshape(4, 9).view(6, 6) | u @ (s[0] + p)[:, None] | u @ (s @ p)[:, None] | u * (s @ p)
u * functional.softplus(p) | u * torch.exp(-torch.exp(p)) | u * p.abs() | u * (p @ p)
u * torch.dot(p, p) | u * p[0] | u * p[None] | u * p.clamp(0.1, 0.3)
u * torch.where(p > 0, p, 0.1 * p) | u * (p * q).sum(0) | u * p.flip(0)
u * torch.cat([p[3:], p[:3]]) | u * torch.cat([p[:3], torch.ones(3)])
u * torch.stack([p[:3], p[3:]], -1).flatten() | u * p.detach() | u * torch.sigmoid(p).detach()
"""
EVERY = [
    text.strip()
    for table in (ELEMENTWISE, SHAPES, SUMS, PRODUCTS)
    for text in re.split(r" \| |\n", table)
    if text.strip()
]


class One(Plain):
    """h' = tanh(W f(...)), and a matrix that is handed on."""

    def __init__(self, text):
        super().__init__(3, 6)
        self.p, self.q, self.s = (nn.Parameter(torch.empty(n)) for n in ((6,), (2, 6), (6, 6)))
        self.register_buffer("c", torch.linspace(0.5, 1, 6))
        made = {"torch": torch, "functional": functional, "nn": nn, "math": math}
        exec(f"def f(x, u, m, p, q, s, c): return {text}", made)
        self.f = made["f"]
        x, u, m = torch.randn(5, 3), torch.randn(5, 6), torch.randn(5, 2, 6)
        with torch.no_grad():
            for param in (self.p, self.q, self.s):
                nn.init.uniform_(param, -0.4, 0.4)
            out = self.f(x, u, m, self.p, self.q, self.s, self.c)
        self.weight = nn.Linear(out[0].numel(), 6)
        self.initialise()

    @property
    def state_shapes(self):
        return (6,), (2, 6)

    def step(self, x, state):
        u, m = state
        out = self.f(x, u, m, self.p, self.q, self.s, self.c)
        return torch.tanh(self.weight(out.flatten(1)) + 0.1 * u), 0.3 * m


def check(text):
    torch.manual_seed(0)
    cell = One(text).double()
    network = Network(cell, 4).double()
    for p in network.parameters():
        nn.init.uniform_(p, -0.8, 0.8)
    graph = trace(network)
    x = torch.randn(11, 3).double()
    state = [
        torch.randn(11, 6).double().requires_grad_(),
        torch.randn(11, 2, 6).double().requires_grad_(),
    ]
    after = cell.step(x, tuple(state))
    flat = [p.flatten(1) for p in after]
    results = [flat[part] for part in graph.parts]
    given = [torch.randn_like(r) for r in results]
    loss = sum((r * g).sum() for r, g in zip(results, given, strict=True))
    named = dict(network.named_parameters())
    wanted = torch.autograd.grad(
        loss, [*state, *named.values()], allow_unused=True, materialize_grads=True
    )
    got, by_state, gradient = step(
        graph, x.numpy(), [s.detach().flatten(1).numpy() for s in state], [g.numpy() for g in given]
    )
    for a, b in zip(got, results, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=0, atol=1e-12)
    mine = [*by_state, *(gradient[n] for n in named)]
    for name, a, b in zip(["u", "m", *named], mine, wanted, strict=True):
        # torch writes a sixth, and what a scale of celu divides by, with seven digits
        size = (1 + float(b.abs().max())) * (1e5 if "celu" in text or "hardsigmoid" in text else 1)
        np.testing.assert_allclose(
            a.ravel(), b.numpy().ravel(), rtol=0, atol=1e-12 * size, err_msg=name
        )


CALLED, TRIED = set(), set()


@pytest.mark.parametrize("text", EVERY)
def test_an_operation_and_its_way_back_are_autograds(text, monkeypatch):
    call = Operations.call

    def noted(self, name, out, args, kwargs):
        CALLED.add(name)
        return call(self, name, out, args, kwargs)

    monkeypatch.setattr(Operations, "call", noted)
    check(text)
    TRIED.add(text)


def test_every_operation_of_the_reader_was_tried():
    if len(TRIED) < len(set(EVERY)):
        pytest.skip("only some of the tests above were run")
    own = {
        name.removeprefix("_do_"): f for name, f in vars(Operations).items() if name[:4] == "_do_"
    }
    # names that mean the same as another
    tried = {own[name.strip("_")] for name in CALLED if name.strip("_") in own}
    missing = {name for name, f in own.items() if f not in tried}
    assert missing | (set(operations._SAME) - CALLED) <= ELSEWHERE


# said to be no part of a step, in test_refused.py; or handed on by torch under other names (square
# as pow), or as constants
ELSEWHERE = {
    "max", "min", "native_batch_norm", "native_batch_norm_legit",
    "native_batch_norm_legit_no_training", "fused_rms_norm", "full", "scalar_tensor", "square",
}  # fmt: skip


class Same(Plain):
    """A function of the input, and nothing else."""

    def __init__(self, text):
        super().__init__(16, 16)
        made = {"torch": torch, "functional": functional}
        exec(f"def f(x): return {text}", made)
        self.f = made["f"]
        self.unused = nn.Parameter(torch.zeros(1))

    def step(self, x, state):
        return (self.f(x),)


# function, from, to, absolute error, relative error: what the module's own text promises
ACCURATE = [
    ("torch.tanh(x)", -12, 12, 5e-7, 0),
    ("torch.sigmoid(x)", -30, 30, 5e-7, 0),
    ("torch.erf(x)", -6, 6, 5e-7, 0),
    ("torch.exp(x)", -87, 88, 0, 2e-7),
    ("torch.log(x)", 1e-6, 50, 2e-7, 2e-7),
    ("torch.log(1 + x)", -0.5, 0.5, 2e-7, 2e-7),
    ("functional.softplus(x)", -30, 30, 2e-7, 3e-7),
    ("torch.sin(x)", -100, 100, 2e-7, 0),
    ("torch.cos(x)", -100, 100, 2e-7, 0),
    ("torch.sin(x)", -8192, 8192, 2e-7, 0),
    ("torch.cos(x)", -8192, 8192, 2e-7, 0),
    ("torch.sqrt(x)", 1e-6, 100, 0, 2e-7),
    ("torch.reciprocal(x)", 0.01, 100, 0, 2e-7),
]


def through_a_kernel(text, grid):
    """A function of numbers, as the kernel leaves them in the state after one step."""
    network = Network(Same(text), 2)
    inputs = torch.tensor(grid, dtype=torch.float32).view(1, 1, -1, 1, 16)
    chunk = Chunk(inputs, torch.zeros(inputs.shape[:4], dtype=torch.long), None, carried=True)
    population = FusedPopulation([network], Echo(), [SGD(network.trained(), lr=0.0)])
    _, (after,) = population.train(chunk, None)
    assert not population._instead
    return after.flatten().double().numpy()


@pytest.mark.parametrize(("text", "low", "high", "absolute", "relative"), ACCURATE)
def test_functions_are_as_accurate_in_float32_as_is_said(text, low, high, absolute, relative):
    grid = np.linspace(low, high, 16 * 4000).astype(np.float32)
    wanted = Same(text).f(torch.tensor(grid).double()).numpy()
    got = through_a_kernel(text, grid)
    excess = np.abs(got - wanted) - relative * np.abs(wanted)
    worst = int(excess.argmax())
    assert excess[worst] <= absolute, (grid[worst], got[worst], wanted[worst], excess[worst])


STAYS = [
    "torch.tanh(x)", "torch.sigmoid(x)", "torch.erf(x)", "torch.exp(x)", "torch.log(x)",
    "functional.softplus(x)", "torch.sin(x)", "torch.cos(x)", "torch.sqrt(x)", "torch.relu(x)",
    "x.abs()", "torch.maximum(x, -x)", "torch.minimum(x, 0 * x)", "torch.softmax(x, -1)",
    "x.amax(-1, keepdim=True).expand_as(x)", "x.clamp(-1, 1)", "functional.gelu(x)",
    "torch.floor(x)",
]  # fmt: skip


@pytest.mark.parametrize("text", STAYS)
def test_a_number_that_is_none_stays_so(text):
    got = through_a_kernel(text, np.full(16 * 40, np.nan, np.float32))
    assert np.isnan(got).all()


@pytest.mark.parametrize(("text", "grid", "wanted"), [
    ("torch.exp(x)", [100.0, -200.0, math.inf, -math.inf], [math.inf, 0, math.inf, 0]),
    ("torch.log(x)", [0.0, -1.0, float("inf")], [float("-inf"), float("nan"), float("inf")]),
    ("torch.tanh(x)", [50.0, -1e30, float("inf"), float("-inf")], [1, -1, 1, -1]),
    ("functional.softplus(x)", [200.0, 1e30, -200.0], [200, 1e30, 0]),
    ("torch.sigmoid(x)", [200.0, -200.0], [1, 0]),
    ("torch.erf(x)", [30.0, -30.0, 0.0], [1, -1, 0]),
])  # fmt: skip
def test_functions_at_their_ends_in_float32(text, grid, wanted):
    filled = np.resize(np.array(grid, np.float32), 16 * 40)
    got = through_a_kernel(text, filled)
    np.testing.assert_allclose(got, np.resize(np.array(wanted, float), 640), rtol=1e-6, atol=2e-7)

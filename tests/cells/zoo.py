"""Cells as people write them, each with something that the others have not."""

import torch
from torch import nn
from torch.nn import functional

from lossladder.models.recurrent import Cell


class Plain(Cell):
    """Every parameter drawn from one law."""

    def initialise(self, generator=None):
        for p in self.parameters():
            nn.init.uniform_(p, -0.4, 0.4, generator=generator)


class Leaky(Plain):
    """h' = a h + (1 - a) tanh(W [x, h])."""

    def __init__(self, input_size, hidden_size, keep=0.5):
        super().__init__(input_size, hidden_size)
        self.keep = keep
        self.weight = nn.Linear(input_size + hidden_size, hidden_size)
        self.initialise()

    def step(self, x, state):
        (h,) = state
        new = torch.tanh(self.weight(torch.cat([x, h], dim=-1)))
        return (self.keep * h + (1 - self.keep) * new,)


class MinGRU(Plain):
    """z = sigmoid(W x), h' = (1 - z) h + z V x."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.gate = nn.Linear(input_size, hidden_size)
        self.value = nn.Linear(input_size, hidden_size, bias=False)
        self.initialise()

    def step(self, x, state):
        (h,) = state
        z = torch.sigmoid(self.gate(x))
        return ((1 - z) * h + z * self.value(x),)


class Diagonal(Plain):
    """h' = tanh(W x) h + V x: a gate in [-1, 1] that only the input decides."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.gate = nn.Linear(input_size, hidden_size)
        self.value = nn.Linear(input_size, hidden_size)
        self.initialise()

    def step(self, x, state):
        (h,) = state
        return (torch.tanh(self.gate(x)) * h + self.value(x),)


class Normed(Plain):
    """h' = tanh(layer norm(W [x, h])), with gain and bias."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.weight = nn.Linear(input_size + hidden_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.initialise()

    def step(self, x, state):
        (h,) = state
        return (torch.tanh(self.norm(self.weight(torch.cat([x, h], -1)))),)


class RMSNormed(Plain):
    """h' = tanh(RMS norm(W [x, h]))."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.weight = nn.Linear(input_size + hidden_size, hidden_size)
        self.norm = nn.RMSNorm(hidden_size)
        self.initialise()

    def step(self, x, state):
        (h,) = state
        return (torch.tanh(self.norm(self.weight(torch.cat([x, h], -1)))),)


class TwoLayer(Plain):
    """A hidden layer, a sliced state, softplus of a parameter, relu, exp and where."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.inner = nn.Linear(input_size + hidden_size, 2 * hidden_size)
        self.outer = nn.Linear(2 * hidden_size, hidden_size)
        self.rate = nn.Parameter(torch.empty(hidden_size))
        self.floor = nn.Parameter(torch.empty(hidden_size))
        self.initialise()

    def step(self, x, state):
        (h,) = state
        u = torch.relu(self.inner(torch.cat([x, h], -1)))
        a = torch.exp(-functional.softplus(self.rate))
        v = self.outer(u)
        half = h.shape[-1] // 2
        turned = torch.cat([h[:, half:], -h[:, :half]], -1)
        new = a * turned + (1 - a) * torch.tanh(v)
        low = torch.where(new > 0, new, torch.exp(new) - 1)
        return (torch.maximum(new, 0.1 * self.floor) + 0.01 * low,)


class Reset(Plain):
    """The original GRU: U (r h), a matrix product that must wait for the gate."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.gates = nn.Linear(input_size + hidden_size, 2 * hidden_size)
        self.new = nn.Linear(input_size + hidden_size, hidden_size)
        self.initialise()

    def step(self, x, state):
        (h,) = state
        z, r = torch.sigmoid(self.gates(torch.cat([x, h], -1))).chunk(2, -1)
        n = torch.tanh(self.new(torch.cat([x, r * h], -1)))
        return ((1 - z) * h + z * n,)


class Gated(Plain):
    """The input used elementwise and in slices; a state that is only handed on."""

    state_parts = 2

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.weight = nn.Linear(hidden_size, hidden_size)
        self.by = nn.Parameter(torch.empty(2, hidden_size))
        self.initialise()

    def step(self, x, state):
        h, before = state
        seen = x[:, :1] * self.by[0] + x[:, -1:] * self.by[1].abs()
        return torch.tanh(self.weight(h) + seen + 0.3 * before), seen


class Delta(Plain):
    """S' = S - beta (S k) k' + beta v k', read by a query: an outer product and two products."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.project = nn.Linear(input_size, 3 * hidden_size + 1)
        self.initialise()

    @property
    def state_shapes(self):
        return ((self.hidden_size, self.hidden_size),)

    def step(self, x, state):
        (memory,) = state
        n = self.hidden_size
        key, value, query, beta = self.project(x).split([n, n, n, 1], -1)
        key, beta = functional.normalize(key, dim=-1), torch.sigmoid(beta)
        found = (memory @ key[:, :, None])[..., 0]
        memory = memory + (beta * (value - found))[:, :, None] * key[:, None, :]
        return (memory @ query[:, :, None])[..., 0], (memory,)


class Householder(Plain):
    """Two reflections of a vector, rotary pairs, sin and cos of what the input says."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.keys = nn.Linear(input_size, 2 * hidden_size)
        self.angle = nn.Linear(input_size, hidden_size)
        self.add = nn.Linear(input_size, hidden_size)
        self.initialise()

    def step(self, x, state):
        (h,) = state
        for k in self.keys(x).chunk(2, -1):
            k = k / (k.norm(dim=-1, keepdim=True) + 1e-6)
            h = h - 1.5 * k * (k * h).sum(-1, keepdim=True)
        a = self.angle(x)
        return (torch.cos(a) * h + torch.sin(a) * h.roll(1, -1).flip(-1) + self.add(x),)


class Attention(Plain):
    """Softmax over slots, cumulative sums, largest, and an output of its own."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.score = nn.Linear(input_size + hidden_size, 3)
        self.write = nn.Linear(input_size, hidden_size)
        self.initialise()

    @property
    def state_shapes(self):
        return ((3, self.hidden_size), (self.hidden_size,))

    def step(self, x, state):
        slots, h = state
        weight = torch.softmax(self.score(torch.cat([x, h], -1)), -1)
        slots = slots * (1 - weight[:, :, None]) + weight[:, :, None] * self.write(x)[:, None, :]
        read = (weight[:, None, :] @ slots)[:, 0]
        h = torch.tanh(read.cumsum(-1) + slots.amax(1) + torch.log_softmax(h, -1))
        return h * read, (slots, h)


class Skew(Plain):
    """An orthogonal recurrence from a skew matrix, W W' of parameters, shares of a softmax."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.matrix = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.low = nn.Parameter(torch.empty(hidden_size, 2))
        self.share = nn.Parameter(torch.empty(hidden_size))
        self.weight = nn.Linear(input_size, hidden_size)
        self.initialise()

    def step(self, x, state):
        (h,) = state
        turn = torch.matrix_exp(self.matrix - self.matrix.T)
        low = self.low @ self.low.T
        new = h @ turn + 0.1 * functional.linear(h, low) + self.weight(x)
        return (torch.tanh(new) * torch.softmax(self.share, 0),)


class Complex(Plain):
    """Rotations of pairs, as real and imaginary part; parameters through exp, sin and cos."""

    state_parts = 2

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.nu = nn.Parameter(torch.empty(hidden_size))
        self.theta = nn.Parameter(torch.empty(hidden_size))
        self.into = nn.Linear(input_size, 2 * hidden_size)
        self.initialise()

    def step(self, x, state):
        real, imaginary = state
        size = torch.exp(-torch.exp(self.nu))
        a, b = size * torch.cos(self.theta), size * torch.sin(self.theta)
        u, v = self.into(x).chunk(2, -1)
        gain = torch.sqrt(1 - size**2)
        return a * real - b * imaginary + gain * u, b * real + a * imaginary + gain * v


class Quantised(Plain):
    """Rounded with a straight-through gradient, clamped, and what is detached."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.weight = nn.Linear(input_size + hidden_size, hidden_size)
        self.initialise()

    def step(self, x, state):
        (h,) = state
        new = torch.tanh(self.weight(torch.cat([x, h], -1))).clamp(-0.8, 0.8)
        rounded = new + (torch.round(4 * new) / 4 - new).detach()
        return (rounded + 0.1 * h.detach() + 0.01 * functional.gelu(new),)


class LearnedStart(Plain):
    """An initial state that is learned, and a parameter that is frozen."""

    learns_initial_state = True

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.weight = nn.Linear(input_size + hidden_size, hidden_size)
        self.start = nn.Parameter(torch.empty(hidden_size))
        self.fixed = nn.Parameter(torch.empty(hidden_size), requires_grad=False)
        self.register_buffer("scale", torch.linspace(0.5, 1, hidden_size))
        self.initialise()

    def initial_state(self, batch_size):
        return (self.start.expand(batch_size, -1),)

    def step(self, x, state):
        (h,) = state
        return (torch.tanh(self.weight(torch.cat([x, h], -1)) + self.fixed) * self.scale,)


class Paced(Plain):
    """A state that is one number a row, learned where it starts: how much of the old is kept."""

    learns_initial_state = True

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.weight = nn.Linear(input_size + hidden_size, hidden_size)
        self.start = nn.Parameter(torch.empty(()))
        self.initialise()

    def initial_state(self, batch_size):
        return (self.start.new_zeros(batch_size, self.hidden_size), self.start.expand(batch_size))

    def step(self, x, state):
        h, pace = state
        new = torch.tanh(self.weight(torch.cat([x, h], -1)))
        keep = torch.sigmoid(pace)[:, None]
        return (keep * h + (1 - keep) * new, 0.5 * pace + new.mean(-1))


class Heads(Plain):
    """Matrices in heads: one map for all of them, and norms over the last axis."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.into = nn.Linear(input_size, 2 * hidden_size)
        self.each = nn.Linear(hidden_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.initialise()

    @property
    def state_shapes(self):
        return ((2, self.hidden_size),)

    def step(self, x, state):
        (heads,) = state
        new = self.norm(self.each(heads)) + self.into(x).view(-1, 2, self.hidden_size)
        heads = torch.tanh(new)
        return heads.sum(1), (heads,)


ZOO = {
    "leaky": Leaky,
    "mingru": MinGRU,
    "diagonal": Diagonal,
    "normed": Normed,
    "rms_normed": RMSNormed,
    "two_layer": TwoLayer,
    "reset": Reset,
    "gated": Gated,
    "delta": Delta,
    "householder": Householder,
    "attention": Attention,
    "skew": Skew,
    "complex": Complex,
    "quantised": Quantised,
    "learned_start": LearnedStart,
    "paced": Paced,
    "heads": Heads,
}

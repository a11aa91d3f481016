# ruff: noqa: E501  tables of instructions, one a line
"""Random cells, each from a seed, as source text that a failing test can print; and problems."""

import random
import re

import torch
from torch import nn
from torch.nn import functional

from lossladder.engines import Chunk
from lossladder.ladder import CrossEntropy, HalfSquaredError, SquaredError
from lossladder.models import Network
from lossladder.models.recurrent import Cell
from lossladder.tasks import Task

# of a value u of any shape; those that could leave all bounds have theirs
UNARY = [
    "torch.tanh(u)", "torch.sigmoid(u)", "torch.relu(u)", "functional.softplus(u)", "-u",
    "torch.tanh(u) ** 2", "torch.exp(torch.tanh(u))", "torch.sqrt(u * u + 0.1)", "u.abs()",
    "u / (1 + u * u)", "torch.log(u * u + 1)", "u.clamp(-0.7, 0.6)", "functional.silu(u)",
    "functional.gelu(u)", "functional.gelu(u, approximate='tanh')", "functional.elu(u)",
    "functional.leaky_relu(u, 0.2)", "torch.sin(2 * u)", "torch.cos(u)", "torch.erf(u)",
    "torch.where(u > 0.05, u, 0.5 * u)", "u.detach()", "torch.reciprocal(1 + u * u)",
    "torch.rsqrt(u * u + 0.5)", "torch.tanh(u) ** 3", "functional.hardtanh(u)", "u.square() * 0.3",
    "torch.tanh(u) + (torch.round(4 * torch.tanh(u)) / 4 - torch.tanh(u)).detach()",
    "u + (torch.floor(3 * u) / 3).detach()", "torch.expm1(torch.tanh(u))", "0.7 * u + 0.1",
    "torch.log1p(u * u)", "functional.logsigmoid(u)", "functional.softplus(u, beta=2)", "2 - u",
    "functional.mish(u)", "functional.softsign(u)", "u / 3",
    "functional.hardswish(u)", "functional.selu(u)", "u - u.sign()",
    "(u > 0.1).to(u.dtype) * u", "torch.where((u < 0.3) & (u > -0.4), u, torch.sin(u))",
    "functional.relu6(3 * u)", "torch.clamp_min(u, -0.3)", "functional.tanhshrink(u)",
    "torch.nn.functional.threshold(u, 0.1, -0.2)", "torch.ceil(2 * u).detach() * u",
]  # fmt: skip
# of two values that fit together
BINARY = [
    "u * w", "u * w", "u + w", "u - 0.9 * w", "torch.maximum(u, w + 0.01)", "u / (1 + w * w)",
    "torch.minimum(u, 1.1 * w)", "torch.lerp(u, w, 0.3)", "torch.where(u > w + 0.02, u, w * 0.5)",
    "torch.addcmul(u, u, w, value=0.4)", "torch.sigmoid(w) * u", "torch.tanh(u) * w",
    "torch.add(u, w, alpha=0.3)", "torch.sub(u, w, alpha=0.6)", "torch.lerp(u, w, torch.sigmoid(w))",
]  # fmt: skip
# of parameters alone, of any shape
DERIVED = [
    "functional.softplus(p)", "torch.exp(p)", "torch.sigmoid(p)", "torch.tanh(p)", "p ** 2",
    "torch.exp(-torch.exp(p))", "-functional.softplus(p)", "1 - torch.sigmoid(p)", "p.abs()",
    "torch.sin(p) * torch.cos(p)", "p.clamp(-0.3, 0.3)", "p + 1", "torch.sqrt(1 - torch.tanh(p)**2)",
    "p.flip(-1)", "torch.softmax(p, -1)", "p.roll(1, -1)", "p.detach()", "p / (1e-3 + p.norm())",
    "p - p.mean()", "functional.normalize(p, dim=-1)", "torch.where(p > 0, p, 0.1 * p)",
    "p * p.sum(-1, keepdim=True)",
]  # fmt: skip
# square matrices of parameters that multiply a state
SQUARE = [
    "p - p.T", "p @ p.T", "torch.matrix_exp(p - p.T)", "torch.tril(p)", "p.T", "0.5 * (p + p.T)",
    "torch.softmax(p, -1)", "functional.normalize(p, dim=-1)", "torch.exp(p) * 0.3", "torch.triu(p, 1)",
    "torch.eye(p.shape[0]).to(p) - 0.1 * p", "p * torch.sigmoid(p[0])", "torch.diag(p.diagonal())",
    "p @ (p - p.T)", "torch.matrix_exp(0.3 * p)",
]  # fmt: skip
LARGEST = 26  # numbers of a value


class RandomCell(Cell):
    """A step drawn by lot; `source` is its text, `self.p3` and such its parameters.

    Args:
        input_size, hidden_size: as for every cell.
        seed: of all that is drawn.
        start: what reset windows begin in: "fixed" or "learned".
    """

    def __init__(self, input_size, hidden_size, seed, start="fixed"):
        super().__init__(input_size, hidden_size)
        self.r = r = random.Random(seed)
        self.lines, self.values, self.count = [], [("x", (input_size,))], 0
        self.shapes = [self._shape() for _ in range(r.randint(1, 3))]
        own = r.random() < 0.4
        if not own:
            self.shapes[0] = (hidden_size,)
        self.values += [(f"s{k}", shape) for k, shape in enumerate(self.shapes)]
        self.instructions = [
            *[self._linear] * 3, *[self._function] * 6, *[self._two] * 4, *[self._parameter] * 2,
            *[self._derived] * 2, *[self._product] * 3, self._joined, self._outer, self._reflected,
            self._normed, self._softmax, *[self._reduced] * 2, *[self._moved] * 3, self._apart,
            self._derived_map,
        ]  # fmt: skip
        for _ in range(r.randint(2, 10)):
            r.choice(self.instructions)()
        ends = [self._ending(shape) for shape in self.shapes]
        states = ", ".join(f"s{k}" for k in range(len(self.shapes)))
        ends = f"({', '.join(ends)},)"
        result = f"{self._ending((hidden_size,))}, {ends}" if own else ends
        body = "".join(f"    {line}\n" for line in self.lines)
        self.source = (
            f"def step(self, x, state):\n    ({states},) = state\n{body}    return {result}\n"
        )
        made = {}
        exec(self.source, {"torch": torch, "functional": functional}, made)
        self.body, self.depth = made["step"], r.random() < 0.2
        self.start = start
        self.learns_initial_state = start == "learned"
        for k, shape in enumerate(self.shapes):
            first = nn.Parameter(torch.empty(shape), requires_grad=self.learns_initial_state)
            setattr(self, f"start{k}", first)
        del self.r, self.instructions, self.values
        self.initialise()

    @property
    def state_shapes(self):
        return tuple(self.shapes)

    def initialise(self, generator=None):
        for p in self.parameters():
            nn.init.uniform_(p, -0.7, 0.7, generator=generator)

    def initial_state(self, batch_size):
        # never zeros, of which a product rounds like no other: relu and abs would toss a coin
        starts = (getattr(self, f"start{k}") for k in range(len(self.shapes)))
        return tuple(s.expand(batch_size, *s.shape) for s in starts)

    def readout(self, output_size):
        return (Deep if self.depth else nn.Linear)(self.hidden_size, output_size)

    def step(self, x, state):
        return self.body(self, x, state)

    # --- drawing ----------------------------------------------------------------------------------

    def _shape(self):
        n = self.r.choice([self.hidden_size, self.r.randint(1, 9)])
        m = self.r.randint(1, 5)
        return (n, m) if self.r.random() < 0.3 and n * m <= LARGEST else (n,)

    def _put(self, text, *shape):
        if 0 < torch.Size(shape).numel() <= LARGEST:
            name = f"v{self.count}"
            self.count += 1
            self.lines.append(f"{name} = {text}")
            self.values.append((name, shape))

    def _any(self, axes=None):
        """Return a value, late ones more often."""
        fits = [v for v in self.values if axes is None or len(v[1]) == axes]
        return self.r.choice([fits[-1], self.r.choice(fits)])

    def _kept(self, what):
        name = f"p{self.count}"
        self.count += 1
        kind = self.r.random()
        if isinstance(what, nn.Module):
            setattr(self, name, what)
        elif kind < 0.1:
            self.register_buffer(
                name,
                torch.tensor([self.r.uniform(-1, 1) for _ in range(torch.Size(what).numel())]).view(
                    what
                ),
            )
        else:
            setattr(self, name, nn.Parameter(torch.empty(what), requires_grad=kind > 0.2))
        return f"self.{name}"

    def _linear(self):
        (u, shape), n = self._any(), self.r.choice([self.hidden_size, self.r.randint(1, 9)])
        held = self._kept(nn.Linear(shape[-1], n, bias=self.r.random() < 0.7))
        self._put(f"{held}({u})", *shape[:-1], n)

    def _joined(self):
        (u, (n,)), (w, (m,)) = self._any(1), self._any(1)
        self._put(
            f"{self._kept(nn.Linear(n + m, self.hidden_size))}(torch.cat([{u}, {w}], -1))",
            self.hidden_size,
        )

    def _function(self):
        u, shape = self._any()
        self._put(self._in(self.r.choice(UNARY), u=u), *shape)

    @staticmethod
    def _in(text, **names):
        for letter, name in names.items():
            text = _replaced(text, letter, name)
        return text

    def _two(self):
        u, shape = self._any()
        fits = []
        for w, other in self.values:
            if w == u:
                continue
            if other in (shape, (1,)) and not (other == (1,) and len(shape) == 2):
                fits.append(w)
            if len(shape) == 2 and other in ((shape[1],), (1,)):
                fits.append(f"{w}[:, None, :]")
            if len(shape) == 2 and other == (shape[0],):
                fits.append(f"{w}.unsqueeze(-1)")
            if len(shape) == 2 and other in ((shape[0], 1), (1, shape[1])):
                fits.append(w)
        if fits:
            # a value of one feature is handed on in the shape of the other
            other = self.r.choice(fits)
            text = self.r.choice(BINARY)
            if "lerp" in text and "0.3" in text:
                other = f"({other}).expand_as({u})"
            self._put(self._in(text, u=u, w=f"({other})"), *shape)

    def _parameter(self):
        u, shape = self._any()
        held = self._kept(self.r.choice([shape, shape[-1:], (*shape[:-1], 1), (1,), ()]))
        self._put(
            self.r.choice(
                [
                    "{u} * {p}",
                    "{u} + {p}",
                    "{p} - {u}",
                    "torch.maximum({u}, {p} + torch.zeros_like({u}))",
                    "{u} / (1 + {p} ** 2)",
                    "torch.where({u} > {p}, {u}, {p})",
                ]
            ).format(u=u, p=held),
            *shape,
        )

    def _derived(self):
        u, shape = self._any()
        held = self._kept(self.r.choice([shape, shape[-1:]]))
        made = self._in(self.r.choice(DERIVED), p=held)
        self._put(f"{u} {self.r.choice('*+')} ({made})", *shape)

    def _derived_map(self):
        u, shape = self._any()
        n = shape[-1]
        made = self._in(self.r.choice(SQUARE), p=self._kept((n, n)))
        how = self.r.choice(
            ["{u} @ ({m})", "functional.linear({u}, {m})", "torch.tanh({u} @ ({m}).T)"]
        )
        self._put(how.format(u=u, m=made), *shape)

    def _outer(self):
        (u, (n,)), (w, (m,)) = self._any(1), self._any(1)
        how = self.r.choice(
            [
                "{u}[:, :, None] * {w}[:, None, :]",
                "torch.einsum('bi,bj->bij', {u}, {w})",
                "torch.bmm({u}.unsqueeze(2), {w}.unsqueeze(1))",
            ]
        )
        self._put(how.format(u=u, w=w), n, m)

    def _product(self):
        matrices = [v for v in self.values if len(v[1]) == 2]
        if not matrices:
            self._outer()
            return
        a, (n, m) = self.r.choice(matrices)
        for b, shape in self.r.sample(self.values, len(self.values)):
            if shape == (m,):
                how = self.r.choice(
                    [
                        "({a} @ {b}[:, :, None])[..., 0]",
                        "torch.einsum('bij,bj->bi', {a}, {b})",
                        "({a} * {b}[:, None, :]).sum(-1)",
                    ]
                )
                self._put(how.format(a=a, b=b), n)
                return
            if shape == (n,):
                how = self.r.choice(
                    [
                        "({b}[:, None, :] @ {a})[:, 0]",
                        "torch.bmm({a}.mT, {b}.unsqueeze(-1)).squeeze(-1)",
                    ]
                )
                self._put(how.format(a=a, b=b), m)
                return
            if len(shape) == 2 and shape[0] == m:
                self._put(f"0.3 * ({a} @ {b})", n, shape[1])
                return
        self._put(f"torch.tanh({a} @ {a}.transpose(1, 2))", n, n)

    def _reflected(self):
        u, (n,) = self._any(1)
        held = self._kept(nn.Linear(n, n))
        how = self.r.choice(
            [
                "functional.normalize({m}({u}), dim=-1)",
                "{m}({u}) / ({m}({u}).norm(dim=-1, keepdim=True) + 1e-3)",
            ]
        )
        self._put(how.format(u=u, m=held), n)
        k = self.values[-1][0]
        self._put(f"{u} - 1.7 * {k} * ({k} * {u}).sum(-1, keepdim=True)", n)

    def _normed(self):
        u, shape = self._any()
        if shape[-1] > 1:
            kept = self._kept(
                self.r.choice(
                    [
                        nn.LayerNorm(shape[-1], eps=1e-3),
                        nn.RMSNorm(shape[-1], eps=1e-3),
                        nn.LayerNorm(shape, eps=1e-3),
                    ]
                )
            )
            self._put(
                self.r.choice(
                    [
                        f"{kept}({u})",
                        f"functional.layer_norm({u}, {shape[-1:]}, eps=1e-2)",
                        f"functional.rms_norm({u}, {shape[-1:]}, eps=1e-2)",
                    ]
                ),
                *shape,
            )

    def _softmax(self):
        u, shape = self._any()
        dim = self.r.choice([-1, 1])
        self._put(
            f"{self.r.choice(['torch.softmax', 'torch.log_softmax', '2 * torch.softmax'])}({u}, {dim})",
            *shape,
        )

    def _reduced(self):
        u, shape = self._any()
        how = self.r.choice(
            ["sum", "mean", "amax", "amin", "norm", "var", "logsumexp", "cumsum", "prod"]
        )
        if how == "cumsum":
            self._put(f"{u}.cumsum({self.r.choice([-1, 1])})", *shape)
            return
        dims = self.r.choice(
            [(1,), (-1,)] if len(shape) == 1 or how == "logsumexp" else [(1,), (-1,), (1, 2)]
        )
        left = [n for k, n in enumerate(shape) if k + 1 not in dims and k - len(shape) not in dims]
        over = torch.Size(shape).numel() // max(1, torch.Size(left).numel())
        if over == 1 and how in ("var", "norm"):
            return
        texts = {
            "norm": "({u} + 0.1).norm(dim={d}, keepdim={k})",
            "prod": "(0.1 * {u}).mean(dim={d}, keepdim={k})",
        }
        if not left or self.r.random() < 0.3:
            text, left = (
                texts.get(how, f"{{u}}.{how}(dim={{d}}, keepdim={{k}})"),
                [1 if k + 1 in dims or k - len(shape) in dims else n for k, n in enumerate(shape)],
            )
            self._put(text.format(u=u, d=dims, k=True), *left)
        else:
            self._put(
                texts.get(how, f"{{u}}.{how}(dim={{d}}, keepdim={{k}})").format(
                    u=u, d=dims, k=False
                ),
                *left,
            )

    def _moved(self):
        r = self.r
        u, shape = self._any()
        n = shape[-1]
        size = torch.Size(shape).numel()
        start = r.randrange(n)
        stop = r.randint(start + 1, n)
        choices = [
            (f"{u}[..., {start}:{stop}]", (*shape[:-1], stop - start)),
            (f"{u}[..., ::2]", (*shape[:-1], -(-n // 2))),
            (f"{u}.roll({r.randint(-3, 3)}, dims=-1)", shape),
            (f"{u}.flip(-1)", shape),
            (f"{u}.flatten(1)", (size,)),
            (f"{u}.narrow(-1, {start}, {stop - start})", (*shape[:-1], stop - start)),
        ]
        for w, other in r.sample(self.values, len(self.values)):
            if len(other) == len(shape) and other[:-1] == shape[:-1]:
                choices.append((f"torch.cat([{u}, {w}], dim=-1)", (*shape[:-1], n + other[-1])))
                choices.append(
                    (
                        f"torch.cat([{u}[..., {start}:], -{w}, {u}[..., :1]], -1)",
                        (*shape[:-1], n - start + other[-1] + 1),
                    )
                )
            if len(shape) == 1 and other == shape:
                choices.append((f"torch.stack([{u}, {w}], dim=-1)", (n, 2)))
                choices.append((f"torch.stack([{u}, {w}, {u}], dim=1)", (3, n)))
        if len(shape) == 2:
            m = shape[0]
            choices += [
                (f"{u}.transpose(1, 2)", (n, m)), (f"{u}.mT", (n, m)), (f"{u}.permute(0, 2, 1)", (n, m)),
                (f"{u}[:, {r.randrange(m)}]", (n,)), (f"{u}[..., {r.randrange(n)}]", (m,)),
                (f"{u}.flip(1, 2)", shape), (f"{u}.reshape({u}.shape[0], -1)", (size,)),
                (f"{u}.transpose(1, 2).reshape(-1, {size})", (size,)),
                (f"torch.roll({u}, (1, 2), dims=(1, 2))", shape),
                (f"torch.tril({u})", shape), (f"torch.diagonal({u}, dim1=1, dim2=2)", (min(m, n),)),
            ]  # fmt: skip
        else:
            a = next((k for k in (2, 3) if n % k == 0), 1)
            choices += [
                (f"{u}.view(-1, {a}, {n // a})", (a, n // a)),
                (f"{u}.unflatten(-1, ({n // a}, {a}))", (n // a, a)),
                (f"{u}.unsqueeze(1).expand(-1, 2, -1)", (2, n)), (f"{u}.repeat(1, 2)", (2 * n,)),
                (f"{u}.repeat_interleave(2, dim=-1)", (2 * n,)),
                (f"{u}[:, {[r.randrange(n) for _ in range(3)]}]", (3,)),
                    (f"{u}.unsqueeze(-1)", (n, 1)), (f"functional.pad({u}, (1, 0))", (n + 1,)),
                (f"torch.diag_embed({u})", (n, n)), (f"torch.diff({u}, dim=-1)", (n - 1,)),
            ]  # fmt: skip
        text, made = r.choice(choices)
        self._put(text, *made)

    def _apart(self):
        u, shape = self._any()
        if shape[-1] < 2:
            return
        n, k = shape[-1], self.r.randint(1, shape[-1] - 1)
        a, b = f"v{self.count}", f"v{self.count + 1}"
        self.count += 2
        half = -(-n // 2)
        text, k = self.r.choice(
            [
                (f"{u}.split([{k}, {n - k}], -1)", k),
                (f"{u}.chunk(2, -1)", half),
                (f"torch.split({u}, {half}, dim=-1)", half),
            ]
        )
        self.lines.append(f"{a}, {b} = {text}")
        self.values += [(a, (*shape[:-1], k)), (b, (*shape[:-1], n - k))]

    def _ending(self, shape):
        same = [name for name, other in self.values if other == shape and name != "x"]
        late = self.r.choice(same[-3:]) if same else None
        u, other = self._any()
        size, flat = torch.Size(shape).numel(), torch.Size(other).numel()
        if late is not None and self.r.random() < 0.5:
            return (
                self.r.choice(
                    [
                        f"0.9 * torch.tanh({late})",
                        f"torch.tanh({late})",
                        f"0.5 * {late}.clamp(-2, 2)",
                    ]
                )
                if self.r.random() < 0.9 or late[0] != "s"
                else late
            )
        held = self._kept(nn.Linear(flat, size))
        new = f"{held}({u}.flatten(1))"
        new = new if len(shape) == 1 else f"{new}.view(-1, {shape[0]}, {shape[1]})"
        return f"torch.tanh({new} + {late})" if late is not None else f"torch.tanh({new})"


def _replaced(text, letter, name):
    """Put a name in the place of a variable of one letter."""

    return re.sub(rf"(?<![\w.']){letter}(?!\w)", name, text)


class Deep(nn.Linear):
    """A readout with a hidden layer."""

    def __init__(self, inputs, outputs):
        super().__init__(7, outputs)
        self.inner = nn.Linear(inputs, 7)

    def forward(self, h):
        return super().forward(torch.tanh(self.inner(h)))


class Drawn(Task):
    """Inputs, targets and a loss, and nothing that is known about them."""

    def __init__(self, encoding, output_size, loss):
        self.encoding, self.output_size, self.loss = encoding, output_size, loss

    def draw(self, *_):
        raise NotImplementedError

    probabilities = ladder = draw


def draw_problem(seed, windows):
    """Return a task, a network, a chunk of one member, a state or None, all of a seed, float64."""
    r = random.Random(f"problem {seed}")
    g = torch.Generator().manual_seed(seed)
    hidden, steps, batch = r.randint(1, 9), r.randint(1, 4), r.choice([1, 3, 7, 16, 17, 33, 50])
    inputs, symbols = r.randint(1, 5), r.choice([2, 3, 5])
    loss = r.choice([CrossEntropy(), CrossEntropy(), HalfSquaredError(), SquaredError()])
    classes = isinstance(loss, CrossEntropy)
    outputs = r.randint(2, 12) if classes else r.randint(1, 5)
    encoding = torch.eye(symbols) if r.random() < 0.5 else torch.randn(symbols, inputs, generator=g)
    task = Drawn(encoding.double(), outputs, loss)
    size = (windows, batch, steps)
    if r.random() < 0.4:
        seen = torch.randn(*size, task.input_size, generator=g).double()
    else:
        seen = torch.randint(symbols, size, generator=g).to(torch.uint8)
    if classes:
        targets = torch.randint(outputs, size, generator=g)
    else:
        targets = torch.rand(*size, outputs, generator=g).double()
    scored = None
    if r.random() < 0.5:
        scored = torch.rand(size, generator=g) < 0.5
        scored[:, :, r.randrange(steps)] = r.random() < 0.5
        scored[:, 0, -1] = True
    carried = r.random() < 0.6
    chunk = Chunk(seen, targets, scored, carried)
    torch.manual_seed(seed)
    start = "fixed" if r.random() < 0.8 else "learned"
    network = Network(RandomCell(task.input_size, hidden, seed, start), outputs).double()
    shapes = network.recurrent.state_shapes
    state = tuple(0.5 * torch.randn(batch, *s, generator=g).double() for s in shapes)
    return task, network, chunk, state if carried and r.random() < 0.8 else None

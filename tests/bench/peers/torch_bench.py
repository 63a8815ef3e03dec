#!/usr/bin/python3
"""Tengen's network engine beside PyTorch: the same network, in turn (A B A B ...), one core, one thread each.

    torch_bench.py infer [--board 9 --blocks 6 --channels 96 --batch 8]
    torch_bench.py train [--board 9 --blocks 6 --channels 64 --batch 64]
    torch_bench.py dqn-step [--batch 32]
    torch_bench.py transformer

Options: --rounds N (4), --seconds S a turn (1.5), --core C. Prints one JSON object: the median rates of both (of the best
tenth of a second of a turn, and of the turn's mean), their ratio, and the number of parameters of both, which must be
equal. Needs Debian's python3-torch (so Debian's python3) and a build in build/bin.

PyTorch is given its best form: for inference, eager, torch.jit.script with freeze, and optimize_for_inference, each in
both memory layouts; for training, both layouts and both forms of its optimizers. Each is tried for a short time first;
`tried` holds their rates.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import torch  # noqa: E402 (after the thread counts)
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PROGRAM = os.path.join(ROOT, "build", "bin", "tengen-run")
WINDOW = 0.1
PLANES = 18


# ---- the networks ----

def conv_norm(inputs, outputs, kernel):
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs))


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first, self.second = conv_norm(channels, channels, 3), conv_norm(channels, channels, 3)

    def forward(self, x):
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class Tower(nn.Module):
    """A residual tower with the 1x1 policy and value heads of workers/zoo/heads.c."""

    def __init__(self, board, blocks, channels):
        super().__init__()
        points = board * board
        self.stem = conv_norm(PLANES, channels, 3)
        self.blocks = nn.Sequential(*[Block(channels) for _ in range(blocks)])
        self.policy_point, self.policy = conv_norm(channels, 2, 1), nn.Linear(2 * points, points + 1)
        self.value_point, self.value_hidden = conv_norm(channels, 1, 1), nn.Linear(points, 64)
        self.value_last = nn.Linear(64, 1)

    def forward(self, x):
        x = self.blocks(torch.relu(self.stem(x)))
        policy = self.policy(torch.relu(self.policy_point(x)).flatten(1))
        hidden = torch.relu(self.value_hidden(torch.relu(self.value_point(x)).flatten(1)))
        return policy, torch.tanh(self.value_last(hidden))


def minatar_network(planes=4, actions=6):
    return nn.Sequential(nn.Conv2d(planes, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 8 * 8, 128), nn.ReLU(),
                         nn.Linear(128, actions))


class Translator(nn.Module):
    """Vaswani et al. 2017, normalization first, one embedding for both sides, as workers/zoo/transformer.c."""

    def __init__(self, o):
        super().__init__()
        self.scale = o.width ** 0.5
        self.embedding = nn.Embedding(o.vocabulary, o.width)
        self.transformer = nn.Transformer(o.width, o.heads, o.layers, o.layers, 4 * o.width, dropout=0.0, batch_first=True,
                                          norm_first=True)
        self.output = nn.Linear(o.width, o.vocabulary)
        frequency = 10000 ** (-torch.arange(0, o.width, 2) / o.width)
        angle = torch.arange(o.tokens)[:, None] * frequency
        self.register_buffer("positions", torch.stack([angle.sin(), angle.cos()], 2).flatten(1))
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(o.tokens))

    def embed(self, tokens):
        return self.embedding(tokens) * self.scale + self.positions

    def forward(self, source, target):
        return self.output(self.transformer(self.embed(source), self.embed(target), tgt_mask=self.mask))


# ---- what is timed: functions that give {form: call} ----

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def zeros_and_ones(*shape):
    return torch.randint(0, 2, shape).float()


def infer_forms(o):
    forms = {}
    model = Tower(o.board, o.blocks, o.channels).eval()
    x = zeros_and_ones(o.batch, PLANES, o.board, o.board)
    for name, layout in LAYOUTS.items():
        laid, planes = model.to(memory_format=layout), x.to(memory_format=layout)
        frozen = torch.jit.freeze(torch.jit.script(laid))
        optimized = torch.jit.optimize_for_inference(torch.jit.script(laid))
        traced = torch.jit.freeze(torch.jit.trace(laid, planes))
        for kind, module in {"eager": laid, "frozen": frozen, "optimized": optimized, "traced": traced}.items():
            forms[f"{kind} {name}"] = lambda module=module, planes=planes: module(planes)
    return forms, model, o.batch


def train_forms(o):
    forms = {}
    for name, layout in LAYOUTS.items():
        for foreach in (False, True):
            model = Tower(o.board, o.blocks, o.channels).train().to(memory_format=layout)
            optimizer = torch.optim.SGD(model.parameters(), 1e-4, momentum=0.9, weight_decay=1e-4, foreach=foreach)
            x = zeros_and_ones(o.batch, PLANES, o.board, o.board).to(memory_format=layout)
            moves, results = torch.zeros(o.batch, dtype=torch.long), torch.zeros(o.batch, 1)

            def step(model=model, optimizer=optimizer, x=x, moves=moves, results=results):
                optimizer.zero_grad(set_to_none=True)
                policy, value = model(x)
                (functional.cross_entropy(policy, moves) + functional.mse_loss(value, results)).backward()
                optimizer.step()
            forms[f"{name} foreach={foreach}"] = step
    return forms, model, o.batch


def dqn_forms(o):
    forms = {}
    for name, layout in LAYOUTS.items():
        for foreach in (False, True):
            model, frozen = minatar_network().to(memory_format=layout), minatar_network().to(memory_format=layout)
            optimizer = torch.optim.RMSprop(model.parameters(), 1e-4, alpha=0.95, eps=0.01, centered=True, foreach=foreach)
            x = zeros_and_ones(o.batch, 4, 10, 10).to(memory_format=layout)
            actions = torch.zeros(o.batch, 1, dtype=torch.long)

            def step(model=model, frozen=frozen, optimizer=optimizer, x=x, actions=actions):
                with torch.no_grad():
                    target = 0.99 * frozen(x).max(1, keepdim=True).values
                taken = model(x).gather(1, actions)
                optimizer.zero_grad(set_to_none=True)
                functional.smooth_l1_loss(taken, target).backward()
                optimizer.step()
            forms[f"{name} foreach={foreach}"] = step
    return forms, model, 1


def transformer_forms(o):
    forms = {}
    for foreach in (False, True):
        model = Translator(o).train()
        optimizer = torch.optim.Adam(model.parameters(), 1e-4, betas=(0.9, 0.98), eps=1e-9, foreach=foreach)
        source, target, truth = (torch.randint(1, o.vocabulary, (o.batch, o.tokens)) for _ in range(3))

        def step(model=model, optimizer=optimizer, source=source, target=target, truth=truth):
            optimizer.zero_grad(set_to_none=True)
            logits = model(source, target).flatten(0, 1)
            functional.cross_entropy(logits, truth.flatten(), label_smoothing=0.1).backward()
            optimizer.step()
        forms[f"foreach={foreach}"] = step
    return forms, model, o.batch


# ---- timing ----

def measure(call, seconds):
    """Calls a second: of the best WINDOW, and over all. The same rule as workers/run/bench_nn.c."""
    call()
    best, calls, in_window = 0, 0, 0
    begin = window = now = time.perf_counter()
    while now - begin < seconds:
        call()
        calls += 1
        in_window += 1
        now = time.perf_counter()
        if now - window >= WINDOW:
            best = max(best, in_window / (now - window))
            window, in_window = now, 0
    mean = calls / (now - begin)
    return max(best, mean), mean


def ours(o, arguments):
    command = [PROGRAM, "bench", o.bench, "--seconds", str(o.seconds), "--json", *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bench", choices=["infer", "train", "dqn-step", "transformer"])
    for name, value in {"board": 9, "blocks": 6, "channels": None, "batch": None, "rounds": 4}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    o = parser.parse_args()
    o.channels = o.channels or (64 if o.bench == "train" else 96)
    o.batch = o.batch or {"infer": 8, "train": 64}.get(o.bench, 32)
    return o


def shown_commit():
    show = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True, check=False)
    return show.stdout.strip()


def main():
    o = options()
    load = os.getloadavg()[0]
    os.sched_setaffinity(0, {o.core})  # ours inherits it
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(1)
    arguments = ["--batch", str(o.batch)]
    if o.bench in ("infer", "train"):
        arguments += ["--board", str(o.board), "--blocks", str(o.blocks), "--channels", str(o.channels)]
    make = {"infer": infer_forms, "train": train_forms, "dqn-step": dqn_forms, "transformer": transformer_forms}[o.bench]
    if o.bench == "transformer":
        o.width, o.heads, o.layers, o.tokens, o.vocabulary = 256, 4, 4, 32, 1000
    forms, model, per_call = make(o)
    with torch.no_grad() if o.bench == "infer" else torch.enable_grad():
        tried = {name: measure(call, o.seconds / 3)[0] * per_call for name, call in forms.items()}
        best = max(tried, key=tried.get)
        turns = [(ours(o, arguments), measure(forms[best], o.seconds)) for _ in range(o.rounds)]
    unit = next(key for key in turns[0][0] if key.endswith("_per_s"))
    rate = statistics.median(a[unit] for a, _ in turns)
    mean = statistics.median(a["mean"] for a, _ in turns)
    peer_rate, peer_mean = (statistics.median(b[i] for _, b in turns) * per_call for i in range(2))
    parameters = [turns[0][0]["parameters"], sum(p.numel() for p in model.parameters())]
    print(json.dumps({
        "bench": o.bench, "arguments": " ".join(arguments), "unit": unit, "ratio": round(rate / peer_rate, 2),
        "ours": round(rate, 1), "torch": round(peer_rate, 1), "ratio_of_means": round(mean / peer_mean, 2),
        "ours_mean": round(mean, 1), "torch_mean": round(peer_mean, 1), "rounds": o.rounds, "isa": turns[0][0]["isa"],
        "ratios": [round(a[unit] / (b[0] * per_call), 2) for a, b in turns], "form": best,
        "tried": {name: round(value, 1) for name, value in tried.items()},
        "parameters": parameters, "torch_version": torch.__version__, "commit": shown_commit(), "load": load,
        "openblas_coretype": os.environ.get("OPENBLAS_CORETYPE", "")}))
    if parameters[0] != parameters[1]:
        sys.exit(f"the networks differ: {parameters[0]} and {parameters[1]} parameters")


if __name__ == "__main__":
    main()

"""Trains a twin at the command of the benchmark, which talks to it in lines of JSON.

    python tests/peers/serve.py EXPERIMENT [--compile]

    in   {"config": {...}, "shape": [...], "data": ["scaled.npy"]}  the data, and where
          the config has another set, that; float32 [N, *shape], or pairs, channels of
          what an image is made of before its own
    out  {"ready": true, "torch": .., "threads": .., "device": ..,
          "parameters": {"d": .., "g": ..}, "first_step_s": ..}    after three steps
    in   {"steps": n}                                              any number of times
    out  {"seconds": .., "d_loss": .., "g_loss": ..}

Nothing else is written to stdout. The end of the input ends the process.
"""

import time

START = time.perf_counter()  # the first step has waited for the imports, too

import argparse  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

try:
    import torch
except ImportError:
    torch = None

PEERS = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("experiment", help="its name, such as digits")
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    arguments = parser.parse_args()
    reply = stdout_for_replies()
    if torch is None:
        fail("PyTorch is missing; pip install -e '.[peers]'")
    known = [
        file.stem for file in PEERS.glob("*.py") if "\nFOLLOWS" in file.read_text()
    ]
    if arguments.experiment not in known:
        accepted = ", ".join(sorted(known))
        fail(f"no twin of {arguments.experiment!r}; there are {accepted}")
    configure()
    if arguments.compile:
        need_compiler()

    sys.path[0] = str(PEERS.parent)  # a script's is its own directory
    make = importlib.import_module(f"peers.{arguments.experiment}").make
    request = json.loads(sys.stdin.readline())
    twin = make(request["config"], tuple(request["shape"]))
    if arguments.compile:
        twin.compile()
    sets = [load(path) for path in request["data"]]
    take = stepper(twin, request["config"], sets)
    take(1)
    first_step_s = time.perf_counter() - START
    take(2)
    reply(
        ready=True,
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        parameters=twin.parameter_counts(),
        first_step_s=first_step_s,
    )
    for line in sys.stdin:
        start = time.perf_counter()
        d_loss, g_loss = take(json.loads(line)["steps"])
        seconds = time.perf_counter() - start
        reply(seconds=seconds, d_loss=d_loss.item(), g_loss=g_loss.item())


def configure():
    """The settings of the process under which PyTorch is fast."""
    torch.set_flush_denormal(True)  # XLA does it, too
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True


def load(path):
    """The examples of a set, on the device; images as [N, c, h, w]."""
    from peers.twin import DEVICE

    data = torch.from_numpy(np.load(path, allow_pickle=False)).to(DEVICE)
    return data.permute(0, 3, 1, 2) if data.ndim == 4 else data


def stepper(twin, config, sets):
    """steps -> the losses of the last one, once all have been taken."""
    batches = [
        minibatches(data, config[entry], config["d_steps"], config["batch_size"])
        for entry, data in zip(("data", "other"), sets, strict=False)
    ]

    def take(steps):
        for _ in range(steps):
            losses = twin.step(*twin.arguments(*map(next, batches)))
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return losses

    return take


def minibatches(data, spec, k, n):
    """Those of each step [k, n, ..], without end, of the entry `spec` of the config."""
    from peers.variation import varied

    if k * n > len(data):
        fail(f"a step needs {k} x {n} examples, there are {len(data)}")
    while True:
        order = torch.randperm(len(data), device=data.device)
        for chosen in order.split(k * n):
            if len(chosen) == k * n:
                yield varied(data[chosen], **spec).unflatten(0, (k, n))


def need_compiler():
    """torch.compile writes C++ for the CPU."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if not torch.cuda.is_available() and shutil.which(compiler) is None:
        fail(f"--compile needs a C++ compiler, and there is no {compiler!r}")


def stdout_for_replies():
    """reply(**values): one object a line on stdout; all else goes to stderr now."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return lambda **values: print(json.dumps(values), file=replies, flush=True)


def fail(message):
    print(f"serve.py: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()

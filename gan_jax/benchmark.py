"""Measures the training of an experiment, alone or beside PyTorch.

    python -m gan_jax.benchmark --config=experiments/digits.py
    python -m gan_jax.benchmark --config=experiments/digits.py --peer --json=rates.jsonl
    python -m gan_jax.benchmark --show=rates.jsonl

What is timed is what the training command does at every step: minibatches taken from
the data on the device, the updates of both players, the metrics. Pictures and
checkpoints are not part of it.

--peer trains the same networks in PyTorch, in a process of its own, in turns with ours:
A B A B. Whoever does not train waits without using a core. Its code is in tests/peers.
"""

import ast
import contextlib
import functools
import importlib.metadata
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from tabulate import tabulate
from tqdm import tqdm

from gan_jax import build, cli, parallel
from gan_jax.config import FREE_FIELDS, load_experiment, override, to_json
from gan_jax.data.feed import make_feed
from gan_jax.dispatch import make_dispatch
from gan_jax.errors import UsageError
from gan_jax.process import prepare_process
from gan_jax.validation import validate

_WARM_UP_STEPS = 3
_SECONDS_A_REPEAT = 2.0
_COMPILED = "/jax/core/compile/backend_compile_duration"


def main(arguments: list[str]) -> None:
    """Reads the flags, measures, and prints a table."""
    values = cli.new_flags()
    flags.DEFINE_string(
        "config", "experiments/digits.py", "the experiment's file", flag_values=values
    )
    flags.DEFINE_bool("peer", False, "beside PyTorch, in turns", flag_values=values)
    flags.DEFINE_bool(
        "peer_compile", False, "--peer under torch.compile", flag_values=values
    )
    flags.DEFINE_string(
        "vary",
        None,
        "FIELD=VALUE,VALUE,..: measured with each of the values",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "repeats", 5, "measurements of two seconds", lower_bound=1, flag_values=values
    )
    flags.DEFINE_bool(
        "startup",
        True,
        "also the time from the command to its first step, cold and warm",
        flag_values=values,
    )
    flags.DEFINE_string(
        "json",
        None,
        "a file to which a line with the result is added",
        flag_values=values,
    )
    flags.DEFINE_string(
        "profile", None, "a folder for a trace of ten steps", flag_values=values
    )
    flags.DEFINE_string(
        "show", None, "print the results in a --json file, and stop", flag_values=values
    )
    rest, changes = cli.split_off_changes(arguments)
    cli.parse(values, rest)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}")
        return
    if values.show:
        print(table(_read(values.show)))
        return
    prepare_process()
    results = []
    for varied in _varied(values.vary):
        result = _measure(values, [*changes, *varied])
        results.append(result)
        if values.json:
            with open(values.json, "a") as file:
                file.write(json.dumps(result) + "\n")
    print(table(results) if len(results) > 1 else details(results[0]))


def _varied(text):
    """FIELD=VALUE,VALUE as one list of changes for each value."""
    if text is None:
        return [[]]
    field, equals, points = text.partition("=")
    if not equals or not points:
        raise UsageError(f"--vary={text}: expected FIELD=VALUE,VALUE,..")
    return [[(field, value)] for value in points.split(",")]


def _read(path):
    try:
        return [json.loads(line) for line in Path(path).read_text().splitlines()]
    except (OSError, json.JSONDecodeError) as error:
        raise UsageError(f"--show={path}: {error}") from None


# one experiment


def _measure(values, changes):
    """All that is known of one experiment, as JSON values."""
    config, _ = load_experiment(values.config)
    override(config, changes)
    validate(config)
    peer = values.peer or values.peer_compile
    twin = _find_twin(values.config, changes) if peer else None
    result = {
        "experiment": Path(values.config).stem,
        "changes": dict(changes),
        "batch_size": config.batch_size,
        "d_steps": config.d_steps,
        "machine": machine(),
    }
    if values.startup:
        result["first_step_s"] = _startup(values.config, changes)
    dataset = build.load_dataset(config)
    with contextlib.ExitStack() as stack:
        ours = Ours(config, dataset)
        theirs = None
        if peer:
            theirs = Theirs(twin, config, dataset, values.peer_compile)
            stack.callback(theirs.close)
            _same_networks(ours.parameters, theirs.ready["parameters"])
            result["peer"] = {
                "torch": theirs.ready["torch"],
                "threads": theirs.ready["threads"],
                "compile": values.peer_compile,
            }
        times = _in_turns(ours, theirs, values.repeats)
        if values.profile:
            with jax.profiler.trace(values.profile):
                ours.take(10)
    result["step_s"] = times["ours"]
    if peer:
        result["peer"]["step_s"] = times["peer"]
    return result | ours.costs()


def _in_turns(ours, theirs, repeats):
    """Seconds a step of each repeat: {"ours": [..], "peer": [..]}."""
    sides = {"ours": ours} | ({"peer": theirs} if theirs else {})
    steps = {}
    for name, side in sides.items():
        once = side.take(_WARM_UP_STEPS) / _WARM_UP_STEPS
        once = side.take(max(1, round(0.5 / once))) / max(1, round(0.5 / once))
        steps[name] = max(1, round(_SECONDS_A_REPEAT / once))
    times = {name: [] for name in sides}
    ours.compilations.clear()
    for _ in tqdm(range(repeats), desc="measuring", disable=None, leave=False):
        for name, side in sides.items():
            times[name].append(side.take(steps[name]) / steps[name])
    return times


class Ours:
    """The experiment, compiled and ready to train."""

    def __init__(self, config, dataset):
        shape = tuple(dataset.info["shape"])
        built = build.build(config, shape, dataset.mean)
        self._config = config
        self._step = config.log_every - 1  # both programs warm up, the logging one too
        self._state = build.initial_state(config, built, shape)
        mesh = parallel.data_mesh(config)
        self._state = parallel.everywhere(self._state, mesh)
        self._feed = make_feed(config, dataset, mesh)
        self._dispatch = make_dispatch(config, built, dataset, mesh)
        self.parameters = {
            name: sum(leaf.size for leaf in jax.tree.leaves(player.params))
            for name, player in (("d", self._state.d), ("g", self._state.g))
        }
        self.compilations = _count_compilations()

    def take(self, steps):
        """Trains; returns the seconds."""
        begin, last = time.perf_counter(), self._step + steps
        while self._step < last:
            stop = min(last, self._step + self._dispatch.most)
            advance = self._dispatch.run
            self._state, _ = advance(self._state, self._feed, self._step, stop)
            self._step = stop
        jax.block_until_ready(self._state)
        return time.perf_counter() - begin

    def costs(self):
        """Operations, memory and compilations."""
        recompilations = len(self.compilations)
        flops = temporary = 0.0
        for program, arguments, times in self._dispatch.programs(
            self._state, self._feed
        ):
            lowered = program.lower(*arguments)
            flops += times * (lowered.cost_analysis() or {}).get("flops", 0.0)
            memory = lowered.compile().memory_analysis()
            temporary = max(temporary, getattr(memory, "temp_size_in_bytes", 0))
        device = jax.devices()[0].memory_stats() or {}
        state = sum(leaf.nbytes for leaf in jax.tree.leaves(self._state.d))
        state += sum(leaf.nbytes for leaf in jax.tree.leaves(self._state.g))
        # ru_maxrss is in kilobytes, on macOS in bytes
        unit = 1 if sys.platform == "darwin" else 1024
        return {
            "parameters": self.parameters,
            "recompilations": recompilations,
            "flops": flops,
            "matmul_flops_per_s": matmul_rate(),
            "memory": {
                "players": state,
                "temporary": temporary,
                "device_peak": device.get("peak_bytes_in_use"),
                "host_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
            },
        }


def _count_compilations():
    """A list that grows by one with every program that is compiled from now on."""
    seen = []

    def listen(event, duration, **details):
        if event == _COMPILED:
            seen.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    return seen


@functools.cache
def matmul_rate() -> float:
    """Operations a second of a large float32 matrix product: the best of ten."""
    n = 2048 if jax.default_backend() == "cpu" else 8192
    a = jnp.ones((n, n))
    product = jax.jit(jnp.matmul)
    product(a, a).block_until_ready()
    best = float("inf")
    for _ in range(10):
        begin = time.perf_counter()
        product(a, a).block_until_ready()
        best = min(best, time.perf_counter() - begin)
    return 2 * n**3 / best


def machine() -> dict:
    """What the numbers were measured on."""
    device = jax.devices()[0]
    return {
        "device": device.device_kind,
        "devices": len(jax.devices()),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "flax": importlib.metadata.version("flax"),
    }


# from the command to its first step


def _startup(path, changes):
    """Seconds to the first step of the training command: {"cold": .., "warm": ..}."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": f"{folder}/compiled"}
        command = [sys.executable, "-m", "gan_jax.main", f"--config={path}"]
        command += [f"--config.{field}={value}" for field, value in changes]
        return {
            name: _first_step([*command, f"--workdir={folder}/{name}"], environment)
            for name in ("cold", "warm")
        }


def _first_step(command, environment):
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True
    )
    said = []
    with process:
        for line in process.stderr:
            said.append(line)
            if line.startswith("first step"):
                seconds = time.perf_counter() - begin
                process.send_signal(signal.SIGKILL)
                return seconds
    raise UsageError("".join(said[-1:]).strip().removeprefix("gan_jax: "))


# PyTorch


class Theirs:
    """The twin of an experiment, in a process of its own."""

    def __init__(self, twin, config, dataset, compiled):
        arguments = [sys.executable, str(twin.parent / "serve.py"), twin.stem]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - until close
        self._process = subprocess.Popen(
            arguments + ["--compile"] * compiled,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        try:
            self.ready = self._introduce(config, dataset)
        except BaseException:
            self.close()
            raise

    def _introduce(self, config, dataset):
        shape = list(dataset.info["shape"])
        with tempfile.TemporaryDirectory() as folder:
            data = f"{folder}/data.npy"
            np.save(data, _scaled(dataset))
            request = {"config": to_json(config), "shape": shape, "data": data}
            return self._ask(request)

    def take(self, steps):
        """Trains; returns the seconds."""
        return self._ask({"steps": steps})["seconds"]

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _ask(self, request):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        if answer := self._process.stdout.readline():
            return json.loads(answer)
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines() or ["no word from it"]
        if self._process.returncode == 2:  # it was asked for what it cannot do
            raise UsageError(said[-1].removeprefix("serve.py: "))
        raise RuntimeError("the PyTorch twin failed:\n" + "\n".join(said))


def _scaled(dataset):
    """What the networks see of the whole set, float32 [N, *shape]."""
    key = jax.random.key(0)
    chunks = np.array_split(np.arange(dataset.size), -(-dataset.size // 1000))
    views = [dataset.view(dataset.arrays, chunk, key)["x"] for chunk in chunks]
    return np.concatenate([np.asarray(view, np.float32) for view in views])


def _find_twin(path, changes):
    """The file of an experiment's twin, if that can follow the changes."""
    name = Path(path).stem
    peers = Path(path).resolve().parent.parent / "tests" / "peers"
    twins = {
        file.stem: follows
        for file in sorted(peers.glob("*.py"))
        if (follows := _follows(file)) is not None
    }
    if name not in twins:
        there = ", ".join(twins) or f"none in {peers}"
        raise UsageError(f"--peer: no PyTorch twin of {name}; there are: {there}")
    free = {*twins[name], *FREE_FIELDS, "seed"}
    if stranger := next((field for field, _ in changes if field not in free), None):
        raise UsageError(
            f"--peer: the twin of {name} does not follow config.{stranger}; it "
            f"follows: {', '.join(twins[name])}"
        )
    return peers / f"{name}.py"


def _follows(file):
    """FOLLOWS of a twin, the config's fields that it honours; None if it is none."""
    for node in ast.parse(file.read_text()).body:
        names = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else ""
        if names == "FOLLOWS":
            return ast.literal_eval(node.value)
    return None


def _same_networks(ours, theirs):
    if ours != theirs:
        raise RuntimeError(f"parameters differ: ours {ours}, the twin's {theirs}")


# tables


def details(result: dict) -> str:
    """All that was measured of one experiment, for people."""
    step = np.median(result["step_s"])
    rate = result["flops"] / step
    memory = result["memory"]
    rows = [
        ("experiment", _title(result)),
        ("machine", _machine_line(result)),
        ("a step", _milliseconds(result["step_s"])),
        ("steps/s", f"{1 / step:,.3g}"),
        ("images/s", f"{result['batch_size'] * result['d_steps'] / step:,.0f}"),
    ]
    if first := result.get("first_step_s"):
        text = f"{first['cold']:.1f} s, {first['warm']:.1f} s with the compile cache"
        rows.append(("first step after", text))
    rows += [
        ("recompilations", result["recompilations"]),
        ("operations a step", f"{result['flops'] / 1e9:,.3g} GFLOP"),
        (
            "of the matmul rate",
            f"{rate / result['matmul_flops_per_s']:.0%} of "
            f"{result['matmul_flops_per_s'] / 1e9:,.0f} GFLOP/s",
        ),
        ("both players", _megabytes(memory["players"])),
        ("temporary", _megabytes(memory["temporary"])),
        ("peak of the device", _megabytes(memory["device_peak"])),
        ("peak of the host", _megabytes(memory["host_peak"])),
    ]
    if peer := result.get("peer"):
        rows += [
            (_peer_name(peer), f"{_milliseconds(peer['step_s'])}"),
            ("times as fast", _ratios(result)),
        ]
    return tabulate(rows, tablefmt="plain", disable_numparse=True)


def table(results: list[dict]) -> str:
    """A row for each result, in Markdown."""
    rows = []
    for result in results:
        row = {
            "experiment": _title(result),
            "ms a step": _milliseconds(result["step_s"]),
        }
        step = np.median(result["step_s"])
        row["images/s"] = f"{result['batch_size'] * result['d_steps'] / step:,.0f}"
        if peer := result.get("peer"):
            row[f"{_peer_name(peer)}"] = _milliseconds(peer["step_s"])
            row["times as fast"] = _ratios(result)
        rows.append(row)
    lines = sorted({_machine_line(result) for result in results})
    text = tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)
    return "\n".join([text, "", *lines])


def _title(result):
    changes = [f"{field}={value}" for field, value in result["changes"].items()]
    return " ".join([result["experiment"], *changes])


def _machine_line(result):
    m = result["machine"]
    text = (
        f"{m['devices']} x {m['device']}, {m['cores']} CPU cores, "
        f"Python {m['python']}, jax {m['jax']}, flax {m['flax']}"
    )
    peer = result.get("peer")
    return (
        f"{text}, torch {peer['torch']} ({peer['threads']} threads)" if peer else text
    )


def _milliseconds(seconds):
    """The median, and the smallest and largest of the repeats."""
    low, middle, high = (1e3 * q for q in np.quantile(seconds, (0, 0.5, 1)))
    return f"{middle:.3g} ms ({low:.3g}-{high:.3g})"


def _ratios(result):
    """PyTorch's time over ours: the median of the pairs, and their range."""
    ratios = np.divide(result["peer"]["step_s"], result["step_s"])
    return f"{np.median(ratios):.2f} ({ratios.min():.2f}-{ratios.max():.2f})"


def _peer_name(peer):
    return "torch.compile" if peer["compile"] else "PyTorch"


def _megabytes(size):
    return "unknown" if size is None else f"{size / 2**20:,.0f} MiB"


if __name__ == "__main__":
    sys.exit(cli.run(main))

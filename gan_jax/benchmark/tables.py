"""Results as text."""

import numpy as np
from tabulate import tabulate


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
            ("times as fast", _ratios(peer["step_s"], result["step_s"])),
        ]
    return tabulate(rows, tablefmt="plain", disable_numparse=True)


def table(results: list[dict]) -> str:
    """A row for each result, in Markdown; a table for each kind of them."""
    parts = []
    for kind, rows_of in (
        ("training", _of_training),
        ("population", _of_populations),
        ("scaling", _of_scaling),
    ):
        # of a file that an older version wrote, all are of training
        some = [r for r in results if r.get("kind", "training") == kind]
        if some:
            rows, lines = zip(*map(rows_of, some), strict=True)
            text = tabulate(
                rows, headers="keys", tablefmt="github", disable_numparse=True
            )
            parts.append("\n".join([text, "", *dict.fromkeys(lines)]))
    return "\n\n".join(parts)


def _of_training(result):
    """A row, and the line that goes below its table."""
    step = np.median(result["step_s"])
    row = {
        "experiment": _title(result),
        "ms a step": _milliseconds(result["step_s"]),
        "images/s": f"{result['batch_size'] * result['d_steps'] / step:,.0f}",
    }
    if peer := result.get("peer"):
        row[_peer_name(peer)] = _milliseconds(peer["step_s"])
        row["times as fast"] = _ratios(peer["step_s"], result["step_s"])
    return row, _machine_line(result)


def _of_populations(result):
    """A row, and the line that goes below its table."""
    seconds, taken = result["member_step_s"], result["taken"]
    side, turns = "side_by_side", "in_turns"
    row = {
        "experiment": _title(result),
        "members": result["members"],
        "a run alone": _milliseconds(seconds["alone"]),
        "side by side": _milliseconds(seconds[side]),
        "times as fast": _ratios(seconds["alone"], seconds[side]),
        "in turns": _milliseconds(seconds[turns]),
        "times as fast ": _ratios(seconds["alone"], seconds[turns]),
        "taken": taken.replace("_", " "),
        "member-steps/s": f"{1 / np.median(seconds[taken]):,.4g}",
    }
    return row, f"a step of a member; {_machine_line(result)}"


def _of_scaling(result):
    """A row, and the lines that go below its table."""
    row = {
        "experiment": _title(result),
        "batch a GPU": result["batch_size"],
        "GFLOP a step": f"{result['flops'] / 1e9:,.3g}",
        "gradients": f"{result['bytes']['gradients'] / 1e6:,.3g} MB",
        "statistics": f"{result['bytes']['statistics'] / 1e6:,.3g} MB",
        "exchanges": result["exchanges"],
        "computes": _duration(result["compute_s"]),
    }
    latencies = []
    for cluster in result["clusters"]:
        hosts, gpus = cluster["hosts"], cluster["gpus"]
        name = f"{hosts} x {gpus} GPUs" if hosts > 1 else f"{gpus} GPUs"
        row[f"{name}: exchange"] = _duration(cluster["exchange_s"])
        row[f"{name}: efficiency"] = f"{cluster['efficiency']:.1%}"
        latencies.append(_duration(cluster["latency_s"]))
    lines = (
        "An estimate, not a measurement: H200s that compute at "
        f"{result['utilisation']:.0%} of {result['peak_flops_per_s'] / 1e12:.0f} "
        f"TFLOP/s, and exchange in a ring at {result['nvlink_bytes_per_s'] / 1e9:.0f} "
        f"GB/s on a host, {result['network_bytes_per_s'] / 1e9:.0f} GB/s between "
        f"hosts, with a latency of {' and '.join(latencies)} an exchange; nothing is "
        "computed meanwhile.\n"
        "Of computing, operations alone are counted. Launches and memory make small "
        "steps longer, and then exchange costs a smaller share of them."
    )
    return row, lines


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


def _duration(seconds):
    """One time of any size."""
    milliseconds = 1e3 * seconds
    return (
        f"{milliseconds:,.3g} ms" if milliseconds >= 0.1 else f"{1e6 * seconds:.3g} µs"
    )


def _ratios(slow, fast):
    """One's times over the other's: the median of the pairs, and their range."""
    ratios = np.divide(slow, fast)
    return f"{np.median(ratios):.2f} ({ratios.min():.2f}-{ratios.max():.2f})"


def _peer_name(peer):
    return "torch.compile" if peer["compile"] else "PyTorch"


def _megabytes(size):
    return "unknown" if size is None else f"{size / 2**20:,.0f} MiB"

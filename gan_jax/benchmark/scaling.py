"""What many GPUs exchange in data parallelism, and an estimate of what that costs.

Each of n GPUs trains on a minibatch of the experiment's own size (weak scaling), and
the efficiency is the time of a step on one of them over that on n.
"""

import math

import jax

from gan_jax.build import build
from gan_jax.loop import costs, parallel

# GPUs: (hosts, GPUs of each)
CLUSTERS = (1, 8), (256, 8)

# Operations a second of an H200 (SXM), dense, by config.dtype and matmul_precision:
# NVIDIA's data sheet, where the numbers of tensor cores are twice these, with sparsity.
PEAK = {"bfloat16": 989e12, "high": 495e12, "default": 495e12, "highest": 67e12}
UTILISATION = 0.3  # the share of it that convolutions and products reach: assumed
NVLINK = 450e9  # bytes/s of a GPU in each direction, to the others of its host
NETWORK = 50e9  # bytes/s of a GPU in each direction: an adapter of 400 Gb/s for each
# Seconds, by which NCCL itself chooses among its algorithms (src/graph/tuning.cc): of
# an all-reduce in a tree of hosts by the protocol of low latency, and of its hops.
BASE_LATENCY = 6.8e-6
NVLINK_LATENCY = 0.6e-6
NETWORK_LATENCY = 5.0e-6


def estimate(config, dataset) -> dict:
    """Operations and bytes of a step, and the efficiency of CLUSTERS. Measures nothing.

    compute_s: seconds of a step on one GPU, of its operations alone
    clusters:  of each: its hosts, its GPUs a host, seconds of all exchanges of a step,
               of the latency of one, and the efficiency
    """
    built = build(config, dataset.info, dataset.mean)
    state = costs.shapes(config, built, parallel.one_device(jax.devices()[0]))
    flops = costs.operations_of_step(config, dataset)
    turns = config.d_steps, config.g_steps, config.accumulate
    moved, exchanges = exchanged(state, *turns), all_reduces(state, *turns)
    peak = PEAK.get(config.dtype) or PEAK[config.matmul_precision]
    compute = flops / (peak * UTILISATION)
    clusters = []
    for hosts, gpus in CLUSTERS:
        seconds = transfer(sum(moved.values()), hosts, gpus)
        seconds += exchanges * latency(hosts, gpus)
        clusters.append(
            {
                "hosts": hosts,
                "gpus": gpus,
                "exchange_s": seconds,
                "latency_s": latency(hosts, gpus),
                "efficiency": compute / (compute + seconds),
            }
        )
    return {
        "flops": flops,
        "bytes": moved,
        "exchanges": exchanges,
        "peak_flops_per_s": peak,
        "utilisation": UTILISATION,
        "nvlink_bytes_per_s": NVLINK,
        "network_bytes_per_s": NETWORK,
        "compute_s": compute,
        "clusters": clusters,
    }


def exchanged(state, d_steps: int, g_steps: int, parts: int = 1) -> dict[str, int]:
    """Bytes that are summed over the devices in a step, as XLA compiles it for CPUs.

    state: a TrainState, or its shapes
    parts: of each minibatch, which have gradients and statistics of their own

    Gradients of D are summed once for the real examples and once for the generated; a
    backend that adds the two before would sum them once. A layer of batch norm sums its
    mean and mean square in a forward pass, first of a few, then of all, and two
    gradients in a backward pass, one of which is that of its bias, and counted there
    where it learns.
    """
    d, g, d_stats, g_stats = (
        sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(part))
        for part in (state.d.params, state.g.params, state.d.stats, state.g.stats)
    )
    learning, fixed = 5 / 2, 3  # both passes of a player's layers of batch norm
    d_turn = 2 * g_stats + 2 * learning * d_stats
    g_turn = learning * g_stats + fixed * d_stats
    return {
        "gradients": parts * (d_steps * 2 * d + g_steps * g),
        "statistics": parts * int(d_steps * d_turn + g_steps * g_turn),
        "scalars": parts * 3 * 4,  # D's loss of the reals and of the fakes, and G's
    }


def all_reduces(state, d_steps: int, g_steps: int, parts: int = 1) -> int:
    """In how many exchanges of a step these bytes travel, at the most.

    The gradients of an update go together. Each layer of batch norm exchanges its two
    statistics by itself, twice, and once in the backward pass.
    """
    d_layers, g_layers = (
        len(jax.tree.leaves(player.stats)) // 2 for player in (state.d, state.g)
    )
    d_turn = 1 + 2 * g_layers + 6 * d_layers
    g_turn = 1 + 3 * g_layers + 3 * d_layers
    return parts * (d_steps * d_turn + g_steps * g_turn)


def transfer(size: float, hosts: int, gpus: int) -> float:
    """Seconds of an all-reduce of so many bytes over a ring, without its latency.

    2 (n - 1) / n of the bytes go through each link (Patarasuk and Yuan, 2009); the
    slowest, where there are several hosts, is the network.
    """
    n = hosts * gpus
    return 2 * (n - 1) / n * size / (NVLINK if hosts == 1 else NETWORK)


def latency(hosts: int, gpus: int) -> float:
    """Seconds of an all-reduce of nothing: up a tree of hosts and down again."""
    if hosts * gpus == 1:
        return 0.0
    hops = (gpus - 1) * NVLINK_LATENCY + math.log2(hosts) * NETWORK_LATENCY
    return BASE_LATENCY + 2 * hops

"""Our parameters in PyTorch's layouts."""

from collections import Counter

import torch
from torch import nn

# a layer: the name that flax gives it, and its kernel's axes in PyTorch's order
LAYERS = {
    nn.Linear: ("Dense", (1, 0)),
    nn.Conv2d: ("Conv", (3, 2, 0, 1)),
    nn.ConvTranspose2d: ("ConvTranspose", (3, 2, 0, 1)),
    nn.BatchNorm1d: ("BatchNorm", (0,)),
    nn.BatchNorm2d: ("BatchNorm", (0,)),
    nn.GroupNorm: ("InstanceNorm", (0,)),  # of one channel a group
}


@torch.no_grad()
def load(network: nn.Module, params: dict, spectral: dict | None = None) -> None:
    """Copies the parameters of one of our networks, numpy arrays, into its twin.

    Layers are registered there in the order in which flax makes ours. Several networks
    are an nn.ModuleDict, and their parameters a dict of the same names.

    spectral: the vectors of layers that are divided by their largest singular values
    """
    if isinstance(network, nn.ModuleDict):
        for name, part in network.items():
            load(part, params[name])
        return
    seen = Counter()
    for layer in network.modules():
        if not list(layer.parameters(recurse=False)):
            continue
        kind = next(kind for kind in LAYERS if isinstance(layer, kind))
        name, axes = LAYERS[kind]
        ours = params[f"{name}_{seen[name]}"]
        seen[name] += 1
        weight = ours["scale" if name.endswith("Norm") else "kernel"]
        copied = {"weight": weight.transpose(axes)}
        if "bias" in ours:
            copied["bias"] = ours["bias"]
        if spectral:
            copied["u"] = spectral[f"{name}_{seen[name] - 1}"]["u"]
        layer.load_state_dict(
            {name: torch.tensor(value) for name, value in copied.items()}, strict=False
        )

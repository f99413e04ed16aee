"""The optimizers and schedules of the experiments, from the entries of a config."""

import functools
import math

import torch


class OptimisticAdam:
    """Optimistic Adam (Daskalakis et al., 2018), as optax.optimistic_adam_v2 has it.

    With Adam's updates u_t the parameters move by 2 u_t - u_(t-1), at first by u_1. So
    they are always one u_t ahead of parameters that plain Adam moves from its second
    update on: fused Adam and two more passes over memory, which take a seventh of the
    time of the formula written with torch._foreach_ operations where networks are
    large.
    """

    def __init__(self, params, **adam):
        self.params, self.first = list(params), True
        self.behind = [p.detach().clone() for p in self.params]
        self.adam = torch.optim.Adam(self.behind, fused=True, **adam)

    def zero_grad(self, set_to_none=True):
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self):
        for p, behind in zip(self.params, self.behind, strict=True):
            behind.grad = p.grad
        torch._foreach_copy_(self.params, self.behind)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        if self.first:
            start = [p.clone() for p in self.params]
            torch._foreach_copy_(self.params, self.behind)
            torch._foreach_copy_(self.behind, start)
            self.first = False
        else:
            torch._foreach_lerp_(self.params, self.behind, 2.0)


def make(spec: dict, params):
    """The optimizer that an entry of a config names."""
    rate = spec["learning_rate"]
    if spec["name"] == "sgd":
        momentum = spec["momentum"]
        return torch.optim.SGD(params, lr=rate, momentum=momentum, fused=True)
    betas, eps = (spec.get("b1", 0.9), spec.get("b2", 0.999)), spec.get("eps", 1e-8)
    if spec["name"] == "adam":
        return torch.optim.Adam(params, lr=rate, betas=betas, eps=eps, fused=True)
    assert spec["name"] == "optimistic_adam_v2"
    assert spec["nesterov"] is False
    return OptimisticAdam(params, lr=rate, betas=betas, eps=eps)


def make_schedule(name: str, **keywords):
    """(optimizer, its entry of the config, step): sets the numbers of that step."""
    if name in ("constant", "ema_rampup"):
        return None
    schedule = {"goodfellow_2014": goodfellow_2014, "linear": linear}[name]
    return functools.partial(schedule, **keywords)


def linear(optimizer, spec, step, *, steps, start=0):
    """The learning rate falls to zero, in `steps` steps from step `start` on."""
    share = min(max(start + steps - step, 0) / steps, 1.0)
    for group in optimizer.param_groups:
        group["lr"] = share * spec["learning_rate"]


def goodfellow_2014(
    optimizer,
    spec,
    step,
    *,
    decay=1.000004,
    min_learning_rate=1e-6,
    final_momentum=0.7,
    saturate_epoch=250,
    steps_per_epoch=500,
):
    """The learning rate falls with every step, the momentum grows with the epoch."""
    rate, momentum = spec["learning_rate"], spec["momentum"]
    progress = min(step // steps_per_epoch / (saturate_epoch - 1), 1.0)
    for group in optimizer.param_groups:
        group["lr"] = max(rate / decay**step, min_learning_rate)
        group["momentum"] = momentum + progress * (final_momentum - momentum)


def make_decay(ema_decay: float, name: str, **keywords):
    """step -> the decay of the average of G in that step."""
    if name == "ema_rampup":
        return functools.partial(ema_rampup, ema_decay, **keywords)
    return lambda step: ema_decay


def ema_rampup(ema_decay, step, *, share=0.05):
    """The average's half-life is at the most a share of the steps taken."""
    so_far = share * step
    if so_far < -math.log(2) / math.log(ema_decay):
        return 0.5 ** (1 / so_far) if step else 0.0
    return ema_decay

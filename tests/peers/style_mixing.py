"""The game of StyleGAN2 in PyTorch: gan_jax/games/stylegan2.py."""

import torch

from peers import penalties, stylegan2
from peers.twin import Twin


class StyleGAN2(Twin):
    """Styles are mixed; R1 and path lengths are turns of their own, now and then.

    generator: nn.Sequential of a mapping and a synthesis
    """

    def __init__(
        self,
        config,
        generator,
        discriminator,
        *,
        mixing=0.9,
        penalty_every=16,
        path=2.0,
        path_every=4,
        path_decay=0.01,
        path_shrink=2,
    ):
        none = {"penalty": {"name": "none"}}  # in D's own turn
        super().__init__(config | none, generator, discriminator)
        self.joint = False  # a minibatch is judged by its own deviations
        self.mapping, self.synthesis = generator
        self.gamma = config["penalty"].get("gamma", 10.0)
        self.mixing, self.penalty_every = mixing, penalty_every
        self.path, self.path_every = path, path_every
        self.path_decay, self.path_shrink = path_decay, path_shrink

    def _start(self):
        super()._start()
        self.path_mean = self.generator[0].w_mean.new_zeros(())

    def load(self, d_params, g_params, d_stats=None, g_stats=None):
        self.discriminator.load_state_dict(dict(stylegan2.named(d_params)))
        w_mean = torch.tensor(g_stats["w_mean"])
        self.generator.load_state_dict(
            dict(stylegan2.named(g_params)) | {"0.w_mean": w_mean}
        )
        self._start()
        self.path_mean.fill_(float(g_stats["path_mean"]))

    def crossovers(self, n):
        """From which layer on [n, 1, 1] styles are those of other latents."""
        layers, device = self.mapping.layers, self.mapping.w_mean.device
        crossover = torch.randint(1, layers, (n, 1, 1), device=device)
        mixes = torch.rand(n, 1, 1, device=device) < self.mixing
        return torch.where(mixes, crossover, layers)

    def styles(self, z):
        """w [n, layers, dim] of z, later ones of other latents; G's move their mean."""
        n = len(z)
        w, other = self.mapping(torch.cat([z, self.latents(n)])).chunk(2)
        if torch.is_grad_enabled():
            self.mapping.w_mean.lerp_(w[:, 0].detach().mean(0), 0.005)
        layer = torch.arange(w.shape[1], device=w.device)[:, None]
        return torch.where(layer < self.crossovers(n), w, other)

    def _made(self, z):
        return self.synthesis(self.styles(z))

    def _turns(self, x, z_d, z_g):
        losses = super()._turns(x, z_d, z_g)
        if self.steps % self.penalty_every == 0:
            self._lazy_turn(self.d_optimizer, self._slopes(x[-1]), self.penalty_every)
        if self.path_every and self.steps % self.path_every == 0:
            self._lazy_turn(self.g_optimizer, self._paths(len(z_g)), self.path_every)
        return losses

    # Both penalties go past torch.compile, by `forward`: it has no second derivatives.

    def _lazy_turn(self, optimizer, penalty, every):
        # with zeros for what the penalty does not depend on, which Adam then remembers
        optimizer.zero_grad(set_to_none=False)
        (every * penalty).backward()
        optimizer.step()

    def _slopes(self, real):
        """R1."""
        real = real.clone().requires_grad_()
        slopes = penalties.squared_slopes(self.discriminator.forward(real), real)
        return self.gamma / 2 * slopes.mean()

    def _paths(self, n):
        """How much the lengths of what w changes differ from their running mean."""
        w = self.styles(self.latents(n))[: max(1, n // self.path_shrink)]
        images = self.synthesis.forward(w)
        y = stylegan2.normal(images, images.shape[1]) / images[0, 0].numel() ** 0.5
        (slopes,) = torch.autograd.grad(images, w, y, create_graph=True)
        lengths = slopes.square().sum(2).mean(1).sqrt()
        mean = self.path_mean.lerp(lengths.mean(), self.path_decay)
        self.path_mean = mean.detach()
        return self.path * (lengths - mean).square().mean()

    @torch.no_grad()
    def _update_average(self):
        super()._update_average()
        if self.average is not None:
            weight = 1 - self.decay(self.steps - 1)
            self.average[0].w_mean.lerp_(self.mapping.w_mean, weight)

    def compile(self):
        for network in (self.mapping, self.synthesis, self.discriminator):
            network.compile()

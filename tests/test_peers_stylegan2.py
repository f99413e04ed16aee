"""What the twin of StyleGAN2 does at random, which no step of ours can tell."""

import jax
import numpy as np
import pytest

from gan_jax.games.styles import mix

torch = pytest.importorskip("torch", reason="pip install -e '.[peers]'")

from peers import stylegan2  # noqa: E402
from test_peers import changes_of, pair  # noqa: E402

NAME, LAYERS = "mnist_stylegan2", 6


@pytest.mark.parametrize("probability", [0.0, 0.6, 1.0])
def test_styles_are_mixed_as_often_and_from_the_same_layers_on(probability):
    n, changes = 20_000, changes_of(NAME) | {"game.mixing": probability}
    torch.manual_seed(0)
    own, other = np.zeros((n, LAYERS, 1)), np.ones((n, LAYERS, 1))
    mixed = mix(own, other, jax.random.key(0), probability)
    expected = LAYERS - np.asarray(mixed).sum(1).ravel().astype(int)
    drawn = pair(NAME, changes).twin.crossovers(n).numpy().ravel()
    theirs, ours = (np.bincount(x, minlength=LAYERS + 1) / n for x in (drawn, expected))
    np.testing.assert_allclose(theirs, ours, atol=0.02)
    assert drawn.max() <= LAYERS


def test_the_noise_of_every_image_layer_and_call_is_new(monkeypatch):
    """One number a pixel, for all channels; none of it where its strength is zero."""
    drawn, normal = [], stylegan2.normal

    def spy(x, channels):
        drawn.append(normal(x, channels))
        return drawn[-1]

    monkeypatch.setattr(stylegan2, "normal", spy)
    generator = pair(NAME, changes_of(NAME)).twin.generator
    z = torch.randn(1, 6).repeat(2, 1)
    first, second = generator(z)
    torch.testing.assert_close(first, second)
    sizes = (7, 14, 14, 28, 28)
    assert [tuple(x.shape) for x in drawn] == [(2, 1, size, size) for size in sizes]
    generator(z)
    numbers = torch.cat([x.flatten() for x in drawn])
    assert len(numbers.unique()) > 0.99 * len(numbers)
    assert abs(numbers.mean()) < 0.1
    assert 0.9 < numbers.std() < 1.1
    for layer in generator.modules():
        if isinstance(layer, stylegan2.Layer):
            layer.strength.data.fill_(0.5)
    first, second = generator(z)
    assert (first - second).abs().mean() > 1e-3

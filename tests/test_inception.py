"""FID's Inception in flax against PyTorch, layer by layer, and its converter."""

import numpy as np
import pytest

from gan_jax import cli
from gan_jax.errors import UsageError
from gan_jax.metrics import convert_inception, features, weights_file
from gan_jax.metrics.features import load_features
from gan_jax.metrics.inception import Inception, resize

torch = pytest.importorskip("torch", reason="pip install -e '.[peers]'")

from peers import inception as peer  # noqa: E402

N = 2


@pytest.fixture(scope="module")
def net():
    return peer.random(seed=0)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).integers(0, 256, (N, 40, 52, 3), np.uint8)


@pytest.fixture(scope="module")
def theirs(net, x):
    """Every layer's output in PyTorch, by name, [n, h, w, c]; and the whole's."""
    outputs = {}

    def keep(name):
        def hook(layer, inputs, output):
            outputs[name] = output.permute(0, 2, 3, 1).numpy()

        return hook

    layers = (peer.Unit, peer.Block)
    hooks = [
        layer.register_forward_hook(keep(name))
        for name, layer in net.named_modules()
        if isinstance(layer, layers)
    ]
    with torch.no_grad():
        ends = net(torch.tensor(x.transpose(0, 3, 1, 2)))
    for hook in hooks:
        hook.remove()
    return outputs, tuple(end.numpy() for end in ends)


@pytest.fixture(scope="module")
def state(net):
    return {name: array.numpy() for name, array in net.state_dict().items()}


@pytest.fixture(scope="module")
def pth(net, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    # as in files from older versions, whose auxiliary classifier nothing reads
    torch.save(net.state_dict() | {"AuxLogits.fc.bias": torch.zeros(3)}, path)
    return path


@pytest.fixture(scope="module")
def converted(pth):
    out = pth.with_suffix(".npz")
    assert cli.run(convert_inception.main, [f"--pth={pth}", f"--out={out}"]) == 0
    return out


def relative_error(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def test_every_layer_is_the_peers(state, x, theirs):
    variables = convert_inception.convert(state)
    _, kept = Inception().apply(
        variables, x, capture_intermediates=True, mutable=["intermediates"]
    )
    outputs, _ = theirs
    assert len(outputs) == 94 + 11
    for name, expected in outputs.items():
        ours = kept["intermediates"]
        for part in name.split("."):
            ours = ours[part]
        (ours,) = ours["__call__"]
        assert ours.shape == expected.shape, name
        assert 0.05 < expected.std() < 20, name
        assert relative_error(np.asarray(ours), expected) < 1e-4, name


def test_converted_weights_give_the_peers_features(converted, x, theirs):
    _, about = weights_file.read(converted)
    network = load_features(
        "inception", converted, checksum=about["checksum"], batch_size=N
    )
    _, (vectors, logits) = theirs
    ours, probabilities = network.apply(x)
    assert ours.shape == (N, 2048)
    assert probabilities.shape == (N, 1008)
    np.testing.assert_allclose(ours, vectors, atol=1e-4 * np.abs(vectors).max())
    expected = torch.tensor(logits).softmax(1).numpy()
    np.testing.assert_allclose(probabilities, expected, rtol=2e-3)
    assert network.frechet_name == "frechet_inception"
    assert network.kernel_name == "kernel_inception"
    assert network.checksum == about["checksum"]


def test_weights_of_another_origin_need_their_checksum(converted, monkeypatch):
    _, about = weights_file.read(converted)
    with pytest.raises(UsageError, match=f"give their checksum, {about['checksum']}"):
        load_features("inception", converted)
    with pytest.raises(UsageError, match=f"{about['checksum']}, not 0123"):
        load_features("inception", converted, checksum="0123")
    monkeypatch.setattr(features, "FID_SOURCE", about["source_sha256"][:8])
    network = load_features("inception", converted)
    assert (network.frechet_name, network.kernel_name) == ("FID", "KID")


def test_both_formats_hold_the_same_weights(pth, converted):
    out = pth.with_suffix(".safetensors")
    assert cli.run(convert_inception.main, [f"--pth={pth}", f"--out={out}"]) == 0
    assert weights_file.read(out)[1] == weights_file.read(converted)[1]


@pytest.mark.parametrize("size", [(40, 52), (299, 299), (640, 450)])
def test_images_are_resized_as_in_the_peer(size):
    x = np.random.default_rng(1).integers(0, 256, (1, *size, 3), np.uint8)
    expected = torch.nn.functional.interpolate(
        torch.tensor(x.transpose(0, 3, 1, 2)).float(), (299, 299), mode="bilinear"
    ).permute(0, 2, 3, 1)
    np.testing.assert_allclose(resize(x), expected, atol=1e-3)


def test_other_weights_are_refused(state):
    def refusal(changed):
        with pytest.raises(UsageError) as error:
            convert_inception.convert(changed)
        return str(error.value)

    kernel = "Mixed_7c.branch3x3dbl_3b.conv.weight"
    missing = {name: array for name, array in state.items() if name != kernel}
    assert "branch3x3dbl_3b/conv/kernel has shape None" in refusal(missing)
    turned = state | {kernel: state[kernel].swapaxes(2, 3)}
    assert "(1, 3, 384, 384), expected is (3, 1, 384, 384)" in refusal(turned)
    more = state | {"layer4.0.conv1.weight": state[kernel]}
    assert "layer4/0/conv1/kernel" in refusal(more)
    assert "they have running_mean" in refusal({"running_mean": np.zeros(3)})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--pth=FILE.pth is needed"),
        (["--pth=missing.pth"], "there is no such file"),
        (["--pth=missing.pth", "--out=x.pt"], "accepted is a file .npz or"),
    ],
)
def test_the_converter_refuses_what_it_cannot_do(arguments, said, capsys):
    assert cli.run(convert_inception.main, arguments) == 2
    assert said in capsys.readouterr().err


class Code:
    """What runs when it is unpickled."""

    def __reduce__(self):
        return print, ("unpickled",)


@pytest.mark.parametrize("content", [b"", b"not weights", {"a": Code()}, [1]])
def test_the_converter_runs_no_code_from_a_file(content, tmp_path, capsys):
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    out = tmp_path / "out.npz"
    arguments = [f"--pth={path}", f"--out={out}"]
    assert cli.run(convert_inception.main, arguments) == 2
    said = capsys.readouterr()
    assert "holds no weights" in said.err
    assert "unpickled" not in said.out
    assert not out.exists()

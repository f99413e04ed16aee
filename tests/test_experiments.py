"""Every experiment trains, and says what the papers and their code say."""

import jax
import numpy as np
import pytest
from conftest import some_slow
from PIL import Image

import gan_jax
from gan_jax.config.files import experiments_dir, fields, load_experiment
from gan_jax.layers.kernels import unit_axis

EXPERIMENTS = sorted(
    file.relative_to(experiments_dir()).with_suffix("").as_posix()
    for file in experiments_dir().rglob("[a-z]*.py")
    if file.parent.name != "speedrun"  # which are others, and tried by test_speedrun
)
MNIST, CIFAR, STACKED = (28, 28, 1), (32, 32, 3), (28, 28, 3)

DENSE = "--config.generator.widths=16,16", "--config.discriminator.units=4"
CONV_2014 = (
    "--config.generator.width=100",
    "--config.discriminator.channels=2,2,4",
    "--config.discriminator.units=4",
)
DCGAN = "--config.generator.width=4", "--config.discriminator.width=4"
GROWING = (
    *("--config.generator.channel_base=16", "--config.discriminator.channel_base=16"),
    "--config.game.batches=8",
)
BIGGAN = "--config.generator.width=2", "--config.discriminator.width=2"
PLAIN = "--config.generator.weight=plain", "--config.discriminator.weight=plain"
WIDTHS = "--config.generator.widths=16", "--config.discriminator.widths=16"
R3GAN = tuple(
    f"--config.{player}.{field}"
    for player in ("generator", "discriminator")
    for field in ("widths=2,2", "group=2", "blocks=1")
)
# each level takes long to compile: two of them; bfloat16 is slow on CPU
STYLEGAN2 = (
    "--config.generator.dim=4",
    "--config.generator.depth=1",
    "--config.game.path_every=0",
    "--config.penalty.name=none",
    *(
        f"--config.{player}.{field}"
        for player in ("generator", "discriminator")
        for field in ("channel_base=32", "channel_max=4", "half_levels=0")
    ),
)
# of each experiment: the shape of its images, and flags that shrink its networks
SHRUNK = {
    "default": (None, ()),
    "digits": (None, ()),
    "toy2d": (None, ()),
    "sines": (None, (*DCGAN, "--config.d_steps=1")),
    "text_wgan_gp": (
        None,
        (
            *(*DCGAN, "--config.d_steps=1", "--config.data.split=train[:64]"),
            *("--config.generator.blocks=1", "--config.discriminator.blocks=1"),
            "--config.data.validation_split=train[64:80]",
        ),
    ),
    "gaussian_1d": (None, ()),
    "ring": (None, DENSE),
    "grid": (None, DENSE),
    "mnist_mlp": (MNIST, DENSE),
    "mnist_mlp_2014": (MNIST, DENSE),
    "mnist_mlp_parzen": (MNIST, DENSE),
    "mnist_lsgan": (MNIST, DCGAN),
    "mnist_dcgan": (MNIST, DCGAN),
    "mnist_r3gan": (MNIST, DCGAN),
    "cifar_mlp": (CIFAR, DENSE),
    "cifar_mlp_2014": (CIFAR, DENSE),
    "cifar_conv": (CIFAR, CONV_2014),
    "cifar_conv_2014": (CIFAR, CONV_2014),
    "cifar_dcgan": (CIFAR, DCGAN),
    "stacked_mnist": (STACKED, DCGAN),
    "stacked_mnist_small": (STACKED, ()),
    "mnist_wgan": (MNIST, (*DCGAN, "--config.d_steps_long=7,1,3")),
    "mnist_wgan_gp": (MNIST, (*DCGAN, "--config.d_steps=2")),
    # its slow running statistics would leave every sample grey after two small steps
    "lucic_mnist": (MNIST, (*DCGAN, "--config.g_optimizer.learning_rate=0.1")),
    "toy_wgan_gp": (None, WIDTHS),
    "unrolled_ring": (None, (*WIDTHS, "--config.dynamics.k=2")),
    "cifar_wgan_gp": (CIFAR, (*DCGAN, "--config.d_steps=2")),
    "cifar_wgan_gp_resnet": (CIFAR, (*DCGAN, "--config.d_steps=1")),
    "cifar_sngan": (CIFAR, DCGAN),
    "cifar_sngan_resnet": (CIFAR, (*DCGAN, "--config.d_steps=1")),
    # spectral norm costs a compiler the most; at 28 pixels there are fewer blocks
    "cifar_sagan": (CIFAR, (*BIGGAN, *PLAIN)),
    "cifar_biggan": (STACKED, (*BIGGAN, *PLAIN, "--config.d_steps=1")),
    "mnist_biggan": (MNIST, (*BIGGAN, "--config.discriminator.weight=plain")),
    "cifar_r3gan": (CIFAR, R3GAN),
    "cifar_stylegan2_ada": ((8, 8, 3), STYLEGAN2),
    "ffhq_stylegan2": (None, (*STYLEGAN2, "--config.data.size=8")),
    "mnist_stylegan2": ((8, 8, 1), STYLEGAN2),
    "stacked_mnist_r3gan": (STACKED, R3GAN),
    "ablations/losses_and_penalties_ring": (None, ()),
    "ablations/r3gan_stacked_mnist": (STACKED, R3GAN),
    "mnist_cgan_2014": (
        MNIST,
        (
            "--config.generator.units=8",
            "--config.generator.label_units=8",
            "--config.discriminator.units=8",
        ),
    ),
    "mnist_cgan": (MNIST, DCGAN),
    "mnist_acgan": (MNIST, DCGAN),
    "mnist_projection": (MNIST, DCGAN),
    "mnist_infogan": (MNIST, (*DCGAN, "--config.g_optimizer.learning_rate=0.1")),
    "mnist_bigan": (MNIST, (*DCGAN, "--config.encoder.width=4")),
    "mnist_semi_supervised": (MNIST, WIDTHS),
    "mnist_cogan": (MNIST, ("--config.generator.width=4",)),
    "mnist_began": (MNIST, (*DCGAN, "--config.g_optimizer.learning_rate=0.1")),
    "mnist_ebgan": (MNIST, DCGAN),
    "cifar_acgan": (CIFAR, DCGAN),
    "cifar_sngan_projection": (CIFAR, (*DCGAN, "--config.d_steps=1")),
    # from narrow layers of small weights hardly anything of z comes through at first
    "cifar_bigan": (
        CIFAR,
        (
            "--config.generator.width=16",
            "--config.discriminator.width=16",
            "--config.encoder.width=4",
            "--config.g_optimizer.learning_rate=0.1",
        ),
    ),
    "cifar_semi_supervised": (CIFAR, DCGAN),
    "ablations/mnist_equal_time": (MNIST, DCGAN),
    "mnist_edges": (MNIST, DCGAN),
    "mnist_rotated": (MNIST, (*DCGAN, "--config.generator.blocks=1")),
    "facades": (None, (*DCGAN, "--config.generator.depth=3")),
    "facades_cyclegan": (None, (*DCGAN, "--config.generator.blocks=1")),
    "own_images": (None, (*DCGAN, "--config.data.size=16")),
    "mnist_pggan": (MNIST, GROWING),
    "celeba_pggan": (None, (*GROWING, "--config.data.size=16")),
    "ffhq_stylegan": (
        None,
        (
            *(*GROWING, "--config.data.size=16"),
            *("--config.generator.dim=4", "--config.generator.depth=1"),
        ),
    ),
    "ablations/d_steps": (MNIST, DENSE),
    "ablations/losses_ring": (None, ()),
    "ablations/mnist_losses": (MNIST, DCGAN),
    "ablations/mnist_few_ada": (MNIST, DCGAN),
    "ablations/priors_mnist": (MNIST, DCGAN),
    "ablations/dcgan_guidelines": (CIFAR, DCGAN),
}
# one of each kind of network and of data
QUICK = (
    *("digits", "gaussian_1d", "ring", "mnist_mlp_2014", "mnist_lsgan", "cifar_conv"),
    *("mnist_wgan_gp", "mnist_projection", "mnist_biggan", "mnist_pggan", "own_images"),
    *("mnist_semi_supervised", "facades", "text_wgan_gp", "ablations/losses_ring"),
)
BRIEF = (
    "--config.steps=2",
    "--config.batch_size=8",
    "--config.log_every=1",
    "--config.validate_every=2",
    "--config.evaluate_every=0",  # on the experiment's own data alone
    "--config.sample_grid=2,2",
)


def images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


FOLDERS = "own_images", "celeba_pggan", "ffhq_stylegan", "ffhq_stylegan2"


def data_flags(name, shape, folder):
    """Flags that put a small synthetic set in the place of the experiment's own."""
    if name in FOLDERS:
        (folder / "images").mkdir()
        for i, image in enumerate(images(8, 20, 24, 3)):
            Image.fromarray(image).save(folder / "images" / f"{i}.png")
        return (f"--config.data.path={folder}/images",)
    if name.startswith("facades"):
        (folder / "images").mkdir()
        for i, image in enumerate(images(16, 32, 64, 3)):
            Image.fromarray(image).save(folder / "images" / f"{i}.png")
        halves = ("data",) if name == "facades" else ("data", "other")
        return tuple(
            f"--config.{entry}.{each}"
            for entry in halves
            for each in (
                *(f"path={folder}/images", "split=train[:8]"),
                "validation_split=train[8:]",
            )
        )
    if shape is None:
        return ()
    np.savez(folder / "x.npz", x=images(32, *shape), y=np.arange(32) % 10)
    config, _ = load_experiment(f"{name}.py")
    flags = ()
    for entry in ("data", "other"):
        if entry in config:
            given = ["name=arrays", f"path={folder}/x.npz"]
            for option in ("input", "pad"):
                if option in config[entry]:
                    given.append(f"{option}={config[entry][option]}")
            if "validation_split" in config[entry]:
                given += ["split=train[:24]", "validation_split=train[24:]"]
            flags += tuple(f"--config.{entry}.{each}" for each in given)
    return flags


def assert_units_are_known(params):
    """A layer has as many biases as its kernel has units, as `unit_axis` reads it."""
    for path, kernel in jax.tree_util.tree_leaves_with_path(params):
        if (axis := unit_axis(path)) is None:
            continue
        layer = params
        for key in path[:-1]:
            layer = layer[key.key]
        if "bias" in layer:
            where = jax.tree_util.keystr(path)
            assert kernel.shape[axis] == layer["bias"].shape[-1], where


@pytest.mark.parametrize("name", some_slow(EXPERIMENTS, quick=QUICK))
def test_an_experiment_takes_two_steps(gan, tmp_path, name):
    shape, shrink = SHRUNK[name]
    workdir = tmp_path / "run"
    outcome = gan(
        *(f"--config=experiments/{name}.py", f"--workdir={workdir}"),
        *(*BRIEF, *shrink, *data_flags(name, shape, tmp_path)),
    )
    assert outcome.status == 0, outcome.err
    run = gan_jax.load(workdir)
    assert int(run.state.step) == 2
    for player in (run.state.d, run.state.g):
        assert_units_are_known(player.params)
    metrics = run.metrics()
    assert metrics["step"].tolist() == [1, 2]
    judged = "validation_split" in run.config.data
    assert ("validation_d_loss" in metrics) == judged
    planes = ("toy2d", "ring", "grid", "toy_wgan_gp", "unrolled_ring")
    rings = ("ablations/losses_ring", "ablations/losses_and_penalties_ring")
    shapes = dict.fromkeys((*planes, *rings), (2,))
    shapes["gaussian_1d"] = (1,)
    shapes["sines"], shapes["text_wgan_gp"] = (64, 1), (32,)
    shapes |= dict.fromkeys(FOLDERS, (16, 16, 3))
    shapes["ffhq_stylegan2"] = (8, 8, 3)
    shapes["mnist_pggan"] = (32, 32, 1)
    expected = shapes.get(name, shape or (8, 8, 1))
    if run.game.translate:
        shape = (4, *run.info["shape"][:2], run.input_channels)
        samples = run.translate(images(*shape))
        expected = tuple(run.info["shape"])
        assert expected[2] == (3 if name.startswith("facades") else 1)
    else:
        samples = run.sample(4)
    assert samples.shape == (4, *expected)
    assert samples.std(axis=0).max() > 0
    assert (workdir / "samples" / "00000002.png").is_file()


def published(name):
    """The fields of an experiment as it stands, those of both players under `both_`."""
    flat = fields(load_experiment(f"{name}.py")[0])
    for key in list(flat):
        if key.startswith("d_optimizer.") and flat.get("g" + key[1:]) == flat[key]:
            flat["both_" + key[2:]] = flat[key]
    return flat


# "Generative Adversarial Nets" (2014), from the code that came with it
GOODFELLOW_2014 = {
    "loss.name": "non_saturating",
    "loss.terms": "mean",
    "turns": "simultaneous",
    "d_steps": 1,
    "g_steps": 1,
    "both_optimizer.name": "sgd",
    "both_optimizer.momentum": 0.5,
    "schedule.name": "goodfellow_2014",
}
MNIST_2014 = GOODFELLOW_2014 | {
    "data.split": "train[:50000]",
    "data.validation_split": "train[50000:]",
    "scaling.name": "unit",
    "batch_size": 100,
    "both_optimizer.learning_rate": 0.1,
    "prior.name": "uniform",
    "prior.dim": 100,
    "prior.low": -(3**0.5),
    "prior.high": 3**0.5,
    "schedule.steps_per_epoch": 500,
    "generator.name": "maxout",
    "discriminator.name": "maxout",
}
CIFAR_2014 = GOODFELLOW_2014 | {
    "data.builder": "cifar10",
    "data.split": "train[:40000]",
    "data.validation_split": "train[40000:]",
    "scaling.name": "gcn",
    "scaling.norm": 55.0,
    "prior.name": "normal",
    "prior.dim": 100,
}
CIFAR_MLP_2014 = CIFAR_2014 | {
    "batch_size": 100,
    "both_optimizer.learning_rate": 0.025,
    "schedule.steps_per_epoch": 400,
    "generator.widths": (8000, 8000),
    "generator.activations": ("relu", "sigmoid"),
    "generator.output": "linear",
    "generator.output_init_range": 0.5,
    "generator.marginal_bias": False,
    "discriminator.units": 1600,
}
CIFAR_CONV_2014 = CIFAR_2014 | {
    "batch_size": 128,
    "both_optimizer.learning_rate": 0.004,
    "schedule.steps_per_epoch": 312,
    "generator.name": "conv_2014",
    "discriminator.name": "conv_2014",
}
# FluxGAN.jl: alternating turns, the sum of D's terms, normal latents, optimistic Adam
FLUX = {
    "loss.name": "non_saturating",
    "turns": "alternating",
    "d_steps": 1,
    "prior.name": "normal",
    "prior.dim": 100,
    "scaling.name": "symmetric",
    "both_optimizer.name": "optimistic_adam_v2",
    "both_optimizer.b1": 0.5,
    "both_optimizer.b2": 0.9,
    "both_optimizer.nesterov": False,
    "generator.output": "tanh",
    "generator.initializer": "glorot",
    "discriminator.initializer": "glorot",
    "discriminator.input_dropout": 0.0,
    "discriminator.dropout": 0.0,
}
FLUX_MNIST = FLUX | {
    "both_optimizer.learning_rate": 2e-4,
    "generator.marginal_bias": False,
}
FLUX_CIFAR = FLUX | {
    "batch_size": 50,
    "both_optimizer.learning_rate": 1e-4,
    "data.classes": ("bird", "cat", "deer", "dog", "frog", "horse"),
}
FLUX_CIFAR_MLP = FLUX_CIFAR | {
    "generator.widths": (8000, 8000),
    "generator.activations": ("relu", "tanh"),
    "discriminator.units": 1600,
}
FLUX_CIFAR_CONV = FLUX_CIFAR | {
    "generator.hidden": "tanh",
    "discriminator.pooling": "mean",
}
# Radford et al. (2016), section 4
DCGAN_2016 = {
    "batch_size": 128,
    "both_optimizer.name": "adam",
    "both_optimizer.learning_rate": 2e-4,
    "both_optimizer.b1": 0.5,
    "prior.name": "uniform",
    "prior.dim": 100,
}
# BigGAN-PyTorch, scripts/launch_cifar_ema.sh
BIGGAN_CIFAR = {
    "steps": 500 * 50_000 // (4 * 50),
    "batch_size": 50,
    "d_steps": 4,
    "loss.name": "hinge",
    "both_optimizer.learning_rate": 2e-4,
    "both_optimizer.b1": 0.0,
    "both_optimizer.b2": 0.999,
    "schedule.name": "constant",
    "prior.name": "normal",
    "prior.dim": 128,
    "ema_decay": 0.9999,
    "ema_start": 1000,
}
# PacGAN (2018), from its code, in the settings of VEEGAN (2017) and Unrolled GAN (2017)
STACKED_MNIST = {
    "loss.name": "non_saturating",
    "turns": "alternating",
    "d_steps": 1,
    "both_optimizer.name": "adam",
    "both_optimizer.b1": 0.5,
    "data.name": "stacked_mnist",
}
STACKED_VEEGAN = STACKED_MNIST | {
    "steps": 50 * 128_000 // 64,
    "batch_size": 64,
    "g_steps": 2,
    "both_optimizer.learning_rate": 2e-4,
    "prior.name": "uniform",
    "prior.dim": 100,
    "data.split": "all",
    "data.size": 128_000,
    "scaling.name": "unit",
    "generator.name": "dcgan_tensorflow",
    "discriminator.name": "dcgan_tensorflow",
}
STACKED_UNROLLED = STACKED_MNIST | {
    "steps": 500_000,
    "batch_size": 128,
    "g_steps": 1,
    "d_optimizer.learning_rate": 2e-4,
    "g_optimizer.learning_rate": 1e-4,
    "both_optimizer.b2": 0.99,
    "prior.name": "normal",
    "prior.dim": 256,
    "data.split": "train",
    "data.fresh": True,
    "scaling.name": "symmetric",
    "generator.width": 8,
    "discriminator.width": 4,
}


# WGAN-GP's `gan_language.py`, but for its width, rate and updates of the critic
WGAN_GP_TEXT = {
    "turns": "alternating",
    "batch_size": 64,
    "loss.name": "wasserstein",
    "penalty.name": "wgan_gp",
    "penalty.weight": 10.0,
    "prior.name": "normal",
    "prior.dim": 128,
    "data.length": 32,
    "both_optimizer.name": "adam",
    "both_optimizer.b1": 0.5,
    "both_optimizer.b2": 0.9,
}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("text_wgan_gp", WGAN_GP_TEXT),
        ("mnist_mlp_2014", MNIST_2014),
        ("cifar_mlp_2014", CIFAR_MLP_2014),
        ("cifar_conv_2014", CIFAR_CONV_2014),
        ("mnist_mlp", FLUX_MNIST),
        ("cifar_mlp", FLUX_CIFAR_MLP),
        ("cifar_conv", FLUX_CIFAR_CONV),
        ("cifar_dcgan", DCGAN_2016),
        ("cifar_biggan", BIGGAN_CIFAR),
        ("stacked_mnist", STACKED_VEEGAN),
        ("stacked_mnist_small", STACKED_UNROLLED),
    ],
)
def test_an_experiment_has_the_published_settings(name, settings):
    flat = published(name)
    assert {key: flat.get(key) for key in settings} == settings
    assert flat.get("loss.terms", "sum") == settings.get("loss.terms", "sum")


def test_mnist_lsgan_and_its_cross_entropy_twin_differ_in_the_loss_alone():
    one, other = published("mnist_lsgan"), published("mnist_dcgan")
    differing = {key for key in one if one[key] != other.get(key)}
    assert differing == {"loss.name"}
    assert (one["loss.name"], other["loss.name"]) == ("least_squares", "non_saturating")
    assert one["data.split"] == "train[:50000]"
    assert one["batch_size"] * one["steps"] == pytest.approx(10 * 50_000, rel=0.005)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_s_docstring_tells_its_command(name):
    doc = load_experiment(f"{name}.py")[1]
    module = "sweep" if name.startswith("ablations/") else "main"
    command = f"python -m gan_jax.{module} --config=experiments/{name}.py"
    bare = "python -m gan_jax.main\n"
    if name != "default":  # what the others start from
        assert command in doc or (name == "digits" and bare in doc)
    assert len(doc.splitlines()[0]) > 20

"""The command line: what it accepts, and how it refuses what it cannot do."""

import json
import re
import signal
import types

import numpy as np
import pytest
from conftest import REPOSITORY
from PIL import Image

from gan_jax.config import resolve
from gan_jax.config.files import load_experiment, override, to_json
from gan_jax.config.types import keyword_kinds
from gan_jax.config.validation import validate
from gan_jax.errors import UsageError

CONFIG = "--config=experiments/"


def printed(gan, *arguments):
    """The resolved config."""
    outcome = gan(*arguments, "--print_config")
    assert (outcome.status, outcome.err) == (0, "")
    return json.loads(outcome.out)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty directory that is the current one."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


# What a config is, and how flags change it


def test_without_flags_the_digits_are_meant(gan, elsewhere):
    assert printed(gan) == printed(gan, CONFIG + "digits.py")
    assert printed(gan)["data"] == {"name": "digits"}
    assert printed(gan) != printed(gan, CONFIG + "default.py")
    assert list(elsewhere.iterdir()) == []


def test_the_project_s_experiments_are_found_from_any_directory(gan, elsewhere):
    expected = printed(gan, CONFIG + "mnist_lsgan.py")
    assert expected["loss"] == {"name": "least_squares"}
    assert printed(gan, "--config=mnist_lsgan.py") == expected


@pytest.mark.parametrize(
    ("flag", "keys", "value"),
    [
        ("--config.steps=1e3", ["steps"], 1000),
        ("--config.steps=+20.0", ["steps"], 20),
        ("-config.seed=4294967295", ["seed"], 2**32 - 1),
        ("--config.d_optimizer.learning_rate=1", ["d_optimizer", "learning_rate"], 1.0),
        ("--config.g_optimizer.eps=1e-6", ["g_optimizer", "eps"], 1e-6),
        ("--config.generator.widths=8,16", ["generator", "widths"], [8, 16]),
        ("--config.generator.widths=(8, 16)", ["generator", "widths"], [8, 16]),
        ("--config.generator.widths=8,", ["generator", "widths"], [8]),
        ("--config.data.flip=True", ["data", "flip"], True),
        ("--config.data.flip=0", ["data", "flip"], False),
        ("--config.data.validation_split=none", ["data", "validation_split"], None),
        ("--config.loss.terms=mean", ["loss", "terms"], "mean"),
        ("--config.sample_grid=2,3", ["sample_grid"], [2, 3]),
        ("--config.turns=simultaneous", ["turns"], "simultaneous"),
    ],
)
def test_a_flag_changes_one_field(gan, flag, keys, value):
    before, after = printed(gan), printed(gan, flag)
    *entries, last = keys
    place = after
    for entry in entries:
        place = place[entry]
        before = before.get(entry, {})
    assert place[last] == value
    assert type(place[last]) is type(value)
    assert {k: v for k, v in place.items() if k != last} == {
        k: v for k, v in before.items() if k != last
    }


def test_a_value_may_follow_its_flag(gan):
    assert printed(gan, "--config.steps", "7") == printed(gan, "--config.steps=7")
    assert printed(gan, "--config.steps=7")["steps"] == 7


def test_the_last_of_two_flags_wins(gan):
    flags = "--config.steps=7", "--config.steps=8"
    assert printed(gan, *flags)["steps"] == 8
    names = "--config.loss.name=saturating", "--config.loss.name=least_squares"
    assert printed(gan, *names)["loss"] == {"name": "least_squares"}


def test_another_name_drops_the_keywords_of_the_old_one(gan):
    sgd = "--config.d_optimizer.name=sgd", "--config.d_optimizer.learning_rate=0.1"
    config = printed(gan, *sgd)
    assert config["d_optimizer"] == {"name": "sgd", "learning_rate": 0.1}
    assert config["g_optimizer"]["b1"] == 0.5
    same = printed(gan, "--config.d_optimizer.name=adam")
    assert same == printed(gan)


def test_keywords_belong_to_the_new_name_in_whatever_order_they_stand(gan):
    flags = ["--config.loss.real_target=0.9", "--config.loss.name=least_squares"]
    expected = {"name": "least_squares", "real_target": 0.9}
    assert printed(gan, *flags)["loss"] == expected
    assert printed(gan, *reversed(flags))["loss"] == expected


def test_every_optimizer_s_keywords_can_be_told(gan):
    flags = "--config.d_optimizer.name=adamw", "--config.d_optimizer.learning_rate=1e-3"
    decay = "--config.d_optimizer.weight_decay=0.01"
    assert printed(gan, *flags, decay)["d_optimizer"]["weight_decay"] == 0.01


def test_override_leaves_the_config_locked():
    config, _ = load_experiment("experiments/digits.py")
    override(config, [("steps", "5")])
    assert to_json(config)["steps"] == 5
    with pytest.raises(AttributeError):
        config.stepz = 3


def test_help_shows_flags_and_the_fields_of_the_config_in_question(gan):
    outcome = gan("--help", CONFIG + "mnist_lsgan.py", "--config.steps=17")
    assert outcome.status == 0
    for shown in (
        *("--config", "--workdir", "--print_config", "steps = 17"),
        *("least-squares loss", "data.builder = 'mnist'", "prior.dim = 96"),
    ):
        assert shown in outcome.out
    assert "prior.dim = 100" in gan("--help").out


# The user's own experiments


OWN = '''"""Mine."""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 3
{line}
    return config
'''


@pytest.fixture
def own(tmp_path):
    """Writes an experiment with one line of its own: its flag."""

    def write(line="", name="mine.py"):
        (tmp_path / name).write_text(OWN.format(line=f"    {line}"))
        return f"--config={tmp_path / name}"

    return write


def test_an_experiment_of_one_s_own_may_lie_anywhere(gan, own, elsewhere):
    flag = own("config.generator = dict(name='mlp', widths=[4, 4])")
    config = printed(gan, flag)
    assert (config["steps"], config["data"]["name"]) == (3, "digits")
    assert config["generator"]["widths"] == [4, 4]
    assert "Mine." in gan(flag, "--help").out


def test_an_experiment_may_build_on_another_beside_it(gan, own, tmp_path):
    own("config.seed = 5")
    second = tmp_path / "second.py"
    second.write_text("from . import mine, digits\nget_config = mine.get_config\n")
    assert printed(gan, f"--config={second}")["seed"] == 5


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("config.stepz = 3", "unknown field config.stepz; did you mean 'steps'"),
        ("del config.loss", "config.loss is missing"),
        ("config.loss = dict(nmae='x')", "config.loss has to be a ConfigDict with a"),
        (
            "config.loss = dict(name=3)",
            "config.loss has to be a ConfigDict with a name",
        ),
        (
            "del config.loss; config.loss = 'least_squares'",
            "config.loss has to be a ConfigDict with a",
        ),
        ("config.batch_size = 'many'", "mine.py: TypeError"),
        ("config.batch_size = None", "config.batch_size=None: expected an integer"),
        ("config.prior = dict(name='normal', dim=1.5)", "prior.dim=1.5: expected an"),
        (
            "config.g_optimizer = dict(name='adam', learning_rate='fast')",
            "config.g_optimizer.learning_rate='fast': expected a number",
        ),
        (
            "config.prior = dict(name='normal', dmi=5)",
            "config.prior.dmi: prior normal has no such keyword; did you mean 'dim'",
        ),
        ("config.d_optimizer = dict(name='adam')", "needs --config.d_optimizer.learn"),
        ("1 / 0", "mine.py: ZeroDivisionError: division by zero"),
        ("return 5", r"mine.py: get_config\(\) must return a ConfigDict"),
    ],
)
def test_a_mistake_in_one_s_own_experiment_is_one_line(
    gan, own, elsewhere, line, message
):
    refused(gan(own(line)), message)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    "line", ["del config.loss", "del config.loss; config.loss = 'least_squares'"]
)
def test_an_entry_that_is_none_cannot_be_changed(gan, own, elsewhere, line):
    for change in ("loss.name=saturating", "loss.real_target=0.9"):
        outcome = gan(own(line), f"--config.{change}")
        refused(outcome, "config.loss of the file has to be a ConfigDict")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", r"mine\.py defines no get_config\(\)"),
        ("def get_config(:\n", r"mine\.py: SyntaxError"),
        ("import no_such_module\n", r"mine\.py: ModuleNotFoundError.*no_such_module"),
    ],
)
def test_a_file_that_is_no_experiment(gan, tmp_path, text, message):
    (tmp_path / "mine.py").write_text(text)
    refused(gan(f"--config={tmp_path}/mine.py"), message)


# Bad input

MAXOUT = ("--config.discriminator.name=maxout",)


# numbers for which any finite value will do
UNBOUNDED = {"real_target", "fake_target", "g_target", "low", "high", "initial"}


def test_every_number_that_a_config_may_hold_has_its_range():
    bounded, unbounded = set(), set()
    for entry in set(resolve.ENTRIES) - {"d_optimizer", "g_optimizer"}:
        for name in resolve.available(entry):
            for key, kind in keyword_kinds(entry, name).items():
                if re.search("int|flo", str(kind.type)):
                    (unbounded if kind.range is None else bounded).add(key)
    assert {"dim", "widths", "steps_per_epoch", "size", "gamma"} <= bounded
    assert unbounded <= UNBOUNDED


def test_a_range_in_a_signature_is_all_that_a_loss_needs(monkeypatch, tmp_path, gan):
    """A loss of the user's own, with a number, a flag and a text: no table knows it."""
    module = types.ModuleType("mine")
    source = (
        "from typing import Annotated, Literal\n"
        "from gan_jax.config.ranges import between\n"
        "from gan_jax.losses import non_saturating\n"
        "def mine(*, norm: Literal['a', 'b'] = 'a',\n"
        "         width: Annotated[float, between(2, 3)] = 2.5):\n"
        "    return non_saturating()\n"
    )
    exec(source, module.__dict__)
    place = resolve.ENTRIES["loss"]._replace(module=module)
    monkeypatch.setitem(resolve.ENTRIES, "loss", place)
    flags = "--config.loss.name=mine", f"--workdir={tmp_path}/run", "--print_config"
    refused(gan(*flags, "--config.loss.width=4"), "loss.width=4.0: must be between 2 a")
    refused(gan(*flags, "--config.loss.norm=c"), "loss.norm=c: expected a or b")
    kept = gan(*flags, "--config.loss.width=3", "--config.loss.norm=b")
    assert kept.status == 0
    assert json.loads(kept.out)["loss"] == {"name": "mine", "width": 3.0, "norm": "b"}


def refused(outcome, message):
    """Status 2 and one line on stderr, after that of the versions if it came so far."""
    assert (outcome.status, outcome.out) == (2, "")
    *before, line = outcome.err.splitlines()
    assert all(said.startswith("gan_jax 0.") for said in before), outcome.err
    assert len(before) <= 1
    assert line.startswith("gan_jax: ")
    assert re.search(message, line), line


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--confg=x.py"], "confg"),
        (["--config=nowhere.py"], r"no config file 'nowhere.py'.*experiments/digits"),
        ([f"--config={REPOSITORY}/README.md"], r"README\.md is no Python file"),
        ([CONFIG + "digit.py"], r"did you mean 'experiments/digits\.py'"),
        (["digits"], "unexpected argument 'digits'; flags begin with --"),
        (["--", "digits"], "unexpected argument 'digits'"),
        (["--config.steps"], r"--config\.steps needs a value"),
        (["--config.stepz=3"], "config.stepz; did you mean 'steps'"),
        (["--config.steps.x=3"], r"unknown field config\.steps\.x; did you mean 'step"),
        (["--config.loss=least_squares"], "config.loss; did you mean 'loss.name'"),
        (["--config.=3"], "unknown field config"),
        (["--config.loss.nam=x"], r"no keyword 'nam'; .*accepted: "),
        (["--config.loss.name=least_square"], "did you mean 'least_squares'"),
        (["--config.generator.name=mpl"], "unknown generator 'mpl'; did you mean 'mlp"),
        (["--config.data.name=../digits"], "unknown data '../digits'; .*accepted: arr"),
        (
            ["--config.prior.dmi=3"],
            "prior normal has no keyword 'dmi'; did you mean 'd",
        ),
        (["--config.loss.real_target=1"], "loss non_saturating has no keyword 'real_t"),
        (
            ["--config.d_optimizer.name=sgd"],
            "sgd needs --config.d_optimizer.learning_r",
        ),
        (["--config.steps=many"], "--config.steps=many: expected an integer"),
        (["--config.steps=1.5"], "expected an integer"),
        (["--config.steps=inf"], "expected an integer"),
        (["--config.steps="], "expected an integer"),
        (["--config.d_optimizer.learning_rate=nan"], "expected a number"),
        (["--config.data.flip=maybe"], "expected true or false"),
        (["--config.loss.terms=product"], "expected sum or mean"),
        (["--config.turns=random"], "expected alternating or simultaneous"),
        (["--config.dtype=float16"], "dtype=float16: expected float32 or bfloat16"),
        (["--config.matmul_precision=low"], "expected highest or high or default"),
        (["--config.on_divergence=maybe"], "maybe: expected stop or halve_rates"),
        (["--config.generator.widths=8,x"], "expected integers separated by commas"),
        (["--config.sample_grid=5"], "must be two numbers, rows and columns"),
        (["--config.steps=0"], r"config\.steps=0: must be at least 1"),
        (["--config.batch_size=-3"], "must be at least 1"),
        (["--config.checkpoint_every=0"], "must be at least 1"),
        (["--config.d_optimizer.learning_rate=-1"], "must be positive"),
        (["--config.d_optimizer.b1=1"], r"must be in \[0, 1\)"),
        (["--config.ema_decay=1"], r"must be in \[0, 1\)"),
        (["--config.ema_decay=0.9999999"], r"at most 0\.999997.*float32"),
        (["--config.seed=4294967296"], r"must be in \[0, 2\^32\)"),
        (["--config.prior.dim=0"], "must be at least 1"),
        (["--config.generator.widths=8,0"], "each must be at least 1"),
        (["--config.turns=simultaneous", "--config.d_steps=2"], "needs d_steps=1"),
        (
            ["--config.steps=0", "--config.prior.dim=0"],
            r"config\.steps=0: .*; config\.prior\.dim=0: ",
        ),
        (
            ["--config.batch_size=1798"],
            "larger than the data of config.data: 1,797 examples",
        ),
        (["--config.data.split=tset"], "'tset'; accepted: train"),
        (["--config.data.split=train[5"], "is not understood"),
        (
            [
                "--config.data.split=train[:9]",
                "--config.data.validation_split=train[1797:]",
            ],
            "empty or reaches beyond",
        ),
        (
            ["--config.data.validation_split=train[1500:]"],
            r"train\[1500:\] shares examples with config\.data\.split=train;",
        ),
        (
            ["--config.schedule.name=goodfellow_2014"],
            "goodfellow_2014 needs optimizers with momentum",
        ),
        (
            ["--config.prior.name=uniform", "--config.prior.low=3"],
            r"low=3\.0 is not below high=1\.0",
        ),
        ([*MAXOUT, "--config.discriminator.units=0"], "units=0: must be at least 1"),
        ([*MAXOUT, "--config.discriminator.dropout=1.5"], r"must be in \[0, 1\)"),
        (["--config.scaling.name=identity"], "scaling identity is for vectors"),
        (["--config.generator.name=dcgan"], r"dcgan takes square images of 16, 32, 64"),
        (["--config.discriminator.name=dcgan_mnist"], "at least 16 x 16 pixels"),
        (["--config.data.name=arrays"], "data arrays needs --config.data.path="),
        (
            ["--config.data.name=arrays", "--config.data.path=no.npy"],
            r"there is no file no\.npy",
        ),
        (
            [CONFIG + "own_images.py", "--config.data.path=no"],
            "there is no folder no",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(gan, elsewhere, flags, message):
    refused(gan(*flags), message)
    assert list(elsewhere.iterdir()) == []


def with_array(value, index):
    x = np.zeros((8, 4, 4))
    x[index] = value
    return x


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (with_array(np.nan, (3, 1, 2)), r"not a finite number at \[3, 1, 2\]"),
        (with_array(np.inf, (0, 0, 0)), "not a finite number"),
        (with_array(7.0, (0, 0, 0)), "accepted are uint8, or floats between 0 and 1"),
        (np.zeros(8), r"shape \[8\]; accepted are images"),
        (np.zeros((8, 4, 4, 2), np.uint8), "images of 2 channels"),
        (np.array([{}]), "Python objects, which are never unpickled"),
    ],
)
def test_bad_arrays_are_refused(gan, elsewhere, tmp_path, array, message):
    np.save(tmp_path / "x.npy", array)
    flags = "--config.data.name=arrays", f"--config.data.path={tmp_path}/x.npy"
    refused(gan(*flags), message)
    assert list(elsewhere.iterdir()) == []


def test_bad_images_are_refused_by_name(gan, elsewhere, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    flags = CONFIG + "own_images.py", f"--config.data.path={folder}"
    refused(gan(*flags), "there are no images in .*images")
    Image.new("RGB", (20, 20)).save(folder / "good.png")
    (folder / "broken.png").write_bytes(b"no image")
    refused(gan(*flags), r"broken\.png")
    refused(gan(*flags, "--config.data.channels=2"), "channels is 2; accepted are 1")
    assert list(elsewhere.iterdir()) == []


def test_a_size_that_the_networks_cannot_make(gan, elsewhere, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((8, 28, 28), np.uint8))
    flags = "--config.data.name=arrays", f"--config.data.path={tmp_path}/x.npy"
    small = "--config.batch_size=4"
    for experiment, message in (
        ("cifar_dcgan.py", r"16, 32, 64, 128 pixels.*not \(28, 28, 1\)"),
        ("cifar_conv_2014.py", r"\(32, 32, channels\), not \(28, 28, 1\)"),
    ):
        refused(gan(CONFIG + experiment, *flags, small), message)
    assert list(elsewhere.iterdir()) == []


def test_data_that_cannot_be_had_offline(gan, elsewhere, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    builder = "--config.data.builder="
    flags = CONFIG + "mnist_lsgan.py", "--config.data.validation_split=none"
    refused(gan(*flags, builder + "kmnist"), "'kmnist' is not prepared in .*none")
    refused(gan(*flags, builder + "mnits"), "no data set 'mnits'.*did you mean 'mnist'")
    assert list(elsewhere.iterdir()) == []
    assert not (tmp_path / "none").exists()


def test_a_work_directory_that_cannot_be(gan, small, elsewhere):
    (elsewhere / "file").write_text("mine")
    refused(gan(*small, "--workdir=file"), "work directory file is a file")
    refused(gan(*small, "--workdir=file/run"), "file/run cannot be written: Not a dir")
    assert [path.name for path in elsewhere.iterdir()] == ["file"]
    assert (elsewhere / "file").read_text() == "mine"


def test_every_problem_of_a_config_is_said_at_once():
    config, _ = load_experiment("experiments/digits.py")
    with config.unlocked():
        config.steps, config.ema_decay = 0, 2.0
        config.loss = {"name": "leastsquares"}
    with pytest.raises(UsageError) as error:
        validate(config)
    for part in ("config.steps=0", "config.ema_decay=2.0", "unknown loss 'leastsq"):
        assert part in str(error.value)


# The command itself, as a process


def test_a_mistake_ends_the_process_with_2_and_without_a_traceback(start, finish):
    outcome = finish(start("-m", "gan_jax.main", "--config.stepz=3"))
    refused(outcome, "unknown field config.stepz; did you mean 'steps'")


def test_a_reader_that_has_had_enough_ends_the_process_quietly(start):
    process = start("-m", "gan_jax.main", "--help")
    process.stdout.close()
    assert process.wait(timeout=300) == 128 + signal.SIGPIPE
    assert process.stderr.read() == ""

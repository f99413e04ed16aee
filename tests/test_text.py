"""Text: codes of characters, one-hot as networks see them, n-grams, runs of text."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_main import refused

import gan_jax
from gan_jax import penalties
from gan_jax.data import scaling, text
from gan_jax.data.dataset import beside, make_dataset
from gan_jax.data.source import Source
from gan_jax.errors import UsageError
from gan_jax.metrics.case import Case, Real, flat
from gan_jax.metrics.ngrams import jensen_shannon

VERSE = "Tyger tyger,\tburning bright\nIn the forests of the night\n\n  \nété — 夜 ❄\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "verse.txt"
    path.write_text(VERSE, encoding="utf-8")
    return path


def read(path, **keywords):
    """The examples of a file as texts."""
    source = text.load(path=str(path), **keywords)
    return text.decode(source.x, source.alphabet)


def random_codes(seed, *shape, characters=3):
    codes = np.random.default_rng(seed).integers(0, characters, shape)
    return codes.astype(np.uint8)


def test_what_is_left_out_or_cut_is_counted(tmp_path, file):
    found = text.load(path=str(file), length=8, lines=True, characters=5)
    assert found.notes[0] == "3 of 3 lines are cut to 8 characters"
    unknown = (found.x == found.alphabet.index(text.UNKNOWN)).sum()
    assert found.notes[1].startswith(f"{unknown} of 24 characters are rarer than the 4")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.txt").write_text("once more\n")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "link").symlink_to(tmp_path / "more")
    (tmp_path / "texts" / "a.pdf").write_text("")
    linked = text.load(path=str(tmp_path / "texts"), length=4)
    assert text.decode(linked.x, linked.alphabet) == ["once", " mor"]
    assert linked.notes == (f"left out of {tmp_path}/texts: 1 .pdf",)


# --- characters and codes ------------------------------------------------------------


def test_what_is_encoded_and_decoded_is_the_text_again(file):
    alphabet = text.alphabet_of(VERSE, 100)
    assert list(alphabet) == sorted(set(VERSE))
    codes = text.encode(VERSE, alphabet)
    assert codes.dtype == np.uint8
    assert text.decode(codes[None], alphabet) == [VERSE]
    assert "".join(read(file, length=1)) == VERSE
    with pytest.raises(UsageError, match="'Q' is not a character of this alphabet"):
        text.encode("Queen", alphabet)


def test_of_too_many_characters_the_rarest_are_unknown():
    alphabet = text.alphabet_of("aaaabbbccd", 3)
    assert alphabet == "ab" + text.UNKNOWN
    assert text.decode(text.encode("abcdz", alphabet)[None], alphabet) == ["ab���"]
    assert text.alphabet_of("aaaabbbccd", 4) == "abcd"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252"])
def test_a_file_in_any_of_these_encodings_is_the_same_text(tmp_path, encoding):
    mark = ";" if encoding == "latin-1" else "\u2019"  # Windows has more of them
    said = f"déjà vu{mark}\r\nune fois\rde plus\n"
    (tmp_path / "said.txt").write_bytes(said.encode(encoding))
    assert read(tmp_path / "said.txt", length=25) == [
        f"déjà vu{mark}\nune fois\nde plus"
    ]


# --- windows and lines ---------------------------------------------------------------


def test_windows_lie_one_after_the_other_or_a_stride_apart(file):
    whole = len(VERSE) // 8
    assert read(file, length=8) == [VERSE[8 * i : 8 * i + 8] for i in range(whole)]
    starts = range(0, 8 * whole - 7, 3)
    assert read(file, length=8, stride=3) == [VERSE[i : i + 8] for i in starts]
    assert read(file, length=8, stride=8) == read(file, length=8)


def test_splits_share_no_characters_and_an_alphabet(file):
    one, other = (
        text.load(path=str(file), length=8, stride=1, split=split)
        for split in ("train[:5]", "train[5:]")
    )
    assert one.alphabet == other.alphabet == text.alphabet_of(VERSE, 100)
    assert len(one.x) == 5 * 8 - 7
    assert text.decode(one.x[-1:], one.alphabet) == [VERSE[32:40]]
    assert text.decode(other.x[:1], one.alphabet) == [VERSE[40:48]]


def test_lines_are_cut_or_filled_up_and_blank_ones_left_out(file):
    rows = read(file, length=16, lines=True)
    assert rows[:2] == ["Tyger tyger,\tbur", "In the forests o"]
    assert rows[2:] == ["été — 夜 ❄" + 7 * "\n"]
    shown = text.on_one_line(["a\nb\n\n", "tab\t\x1b[2J"])
    assert shown == ["a↵b", "tab··[2J"]


def test_a_folder_is_the_text_of_its_files_by_name(tmp_path):
    for name, said in {"b.md": "two", "a.txt": "one", "c.png": "\x89PNG"}.items():
        (tmp_path / name).write_text(said, encoding="latin-1")
    assert read(tmp_path, length=7) == ["one\ntwo"]


def test_without_a_path_it_is_python_s_own_reference():
    source = text.load()
    assert source.x.shape[1] == 32
    assert len(source.x) > 5_000
    assert "the " in "".join(text.decode(source.x[:50], source.alphabet))
    assert len(source.alphabet) <= 100


@pytest.mark.parametrize(
    ("content", "flags", "message"),
    [
        (None, [], "there is no file or folder .*text.txt"),
        (b"", [], r"text.txt is shorter than one: 0 characters"),
        (b"abc", [], "3 characters, of which data.length=32 make an example"),
        (b" \n\n", ["lines=true", "stride=none"], "has no lines that are not blank"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\r", [], "is not text in UTF-8 or Latin-1"),
        ("abc".encode("utf-16"), [], "is not text in UTF-8 or Latin-1"),
        (100 * b"abc ", ["lines=true", "stride=2"], "with data.lines=true it is none"),
        (100 * b"abc ", ["characters=300"], "characters=300: must be between 2 and"),
        (100 * b"abc ", ["flip=true"], "for images, not for vectors or text"),
        (100 * b"abc ", [], "batch_size=64 is larger than the data"),
    ],
)
def test_what_is_no_text_is_one_line(gan, tmp_path, content, flags, message):
    file = tmp_path / "text.txt"
    if content is not None:
        file.write_bytes(content)
    flags = [f"path={file}", "split=train", "validation_split=none", *flags]
    flags = [f"--config.data.{flag}" for flag in flags]
    command = "--config=experiments/text_wgan_gp.py", "--config.evaluate_every=0"
    refused(gan(*command, f"--workdir={tmp_path}/run", *flags), message)
    assert not (tmp_path / "run").exists()


# --- what networks see ---------------------------------------------------------------


def text_set(codes, alphabet="abc"):
    return make_dataset(Source(codes, alphabet=alphabet), scaling.one_hot())


def test_networks_see_one_hot_rows_and_give_codes_back():
    codes = random_codes(0, 20, 6)
    data = text_set(codes)
    assert data.arrays["x"].dtype == np.uint8
    assert data.info["shape"] == [6, 3]
    assert data.info["alphabet"] == "abc"
    json.dumps(data.info)
    indices = np.array([[3, 1], [4, 1]])
    batch = jax.jit(data.view)(dict(data.arrays), indices, jax.random.key(0))
    np.testing.assert_array_equal(batch["x"], np.eye(3)[codes[indices]])
    np.testing.assert_array_equal(data.to_uint8(batch["x"]), codes[indices])
    np.testing.assert_allclose(data.mean().sum(axis=-1), 1, rtol=1e-6)


def test_one_hot_is_for_text_and_text_for_nothing_else():
    source = Source(random_codes(0, 4, 6), alphabet="abc")
    for pair in (
        (source, scaling.symmetric()),
        (Source(np.zeros((4, 2), np.float32)), scaling.one_hot()),
    ):
        with pytest.raises(UsageError, match="text takes the scaling one_hot"):
            make_dataset(*pair)
    with pytest.raises(UsageError, match="other characters than"):
        beside(text_set(source.x), text_set(source.x, "abd"))


def test_the_gradient_penalty_of_a_linear_critic_between_one_hot_and_soft_rows():
    real = jnp.eye(3)[random_codes(0, 5, 4)]
    fake = jax.nn.softmax(jax.random.normal(jax.random.key(1), (5, 4, 3)))
    w = jax.random.normal(jax.random.key(2), (4, 3))
    slope = np.sqrt(np.sum(np.square(w)))
    found = penalties.wgan_gp(weight=10.0).of(
        lambda x: jnp.einsum("nlc,lc->n", x, w), real, fake, jax.random.key(3)
    )
    np.testing.assert_allclose(found, 10 * (slope - 1) ** 2, rtol=1e-5)


# --- n-grams -------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 4])
def test_the_divergence_of_n_grams_has_its_bounds(n):
    x, far = random_codes(0, 40, 9), random_codes(1, 30, 9) + np.uint8(3)
    assert jensen_shannon(x, x[::-1], n) == pytest.approx(0, abs=1e-12)
    assert jensen_shannon(x, np.concatenate([x, x]), n) == pytest.approx(0, abs=1e-12)
    assert jensen_shannon(x, far, n) == pytest.approx(np.log(2))
    one, other = jensen_shannon(x, far // 2, n), jensen_shannon(far // 2, x, n)
    assert one == pytest.approx(other)
    assert 0 < one < np.log(2)


def test_the_divergence_of_two_distributions_by_hand():
    # (3/4, 1/4) and (1/4, 3/4), whose mixture is even
    x, y = np.array([[0, 0, 0, 1]], np.uint8), np.array([[1, 1, 0, 1]], np.uint8)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert jensen_shannon(x, y, 1) == pytest.approx(np.log(2) - entropy)
    # pairs 00 00 01 and 11 10 01: a third is shared
    assert jensen_shannon(x, y, 2) == pytest.approx(2 / 3 * np.log(2))


def test_n_grams_are_those_of_a_plain_count():
    x, y, n = random_codes(0, 12, 7), random_codes(1, 9, 7, characters=5), 3

    def shares(rows):
        grams = [tuple(r[i : i + n]) for r in rows.tolist() for i in range(7 - n + 1)]
        return {gram: grams.count(gram) / len(grams) for gram in grams}

    p, q = shares(x), shares(y)
    expected = 0.0
    for one, other in ((p, q), (q, p)):
        for gram, share in one.items():
            mixed = (share + other.get(gram, 0)) / 2
            expected += share * np.log(share / mixed) / 2
    assert jensen_shannon(x, y, n) == pytest.approx(expected)


def test_n_grams_of_what_has_none_are_refused():
    x = random_codes(0, 3, 4)
    for n, message in ((0, "n=0: must be at least 1"), (5, "accepted are up to 4")):
        with pytest.raises(UsageError, match=message):
            jensen_shannon(x, x, n)
    for wrong in (x.astype(float), x[..., None], x[:0]):
        with pytest.raises(UsageError):
            jensen_shannon(wrong, x, 1)


def test_between_characters_there_are_no_distances():
    x = random_codes(0, 8, 4)
    with pytest.raises(UsageError, match="characters are no numbers"):
        flat(x)
    case = Case(x, None, Real("text", x), lambda: Real("held out", x))
    with pytest.raises(UsageError, match="characters are no numbers"):
        _ = case.features


# --- a run ---------------------------------------------------------------------------

RUN = (
    *("data.name=text", "data.length=8", "scaling.name=one_hot", "data.stride=2"),
    *("data.split=train[:9]", "data.validation_split=train[9:]"),
    *("generator.output=linear", "generator.widths=8", "discriminator.widths=8"),
    *("batch_size=4", "prior.dim=3", "sample_grid=2,3", "sample_every=1"),
    *("validate_every=1", "log_every=1", "evaluate_every=1", "evaluate_samples=6"),
    "best=ngrams",
)
POEM = 3 * "the moon is round\nand the sea is wide\n"


def train(gan, workdir, file, *flags):
    fields = (*RUN, f"data.path={file}", *flags)
    command = "--config=experiments/digits.py", f"--workdir={workdir}"
    return gan(*command, *(f"--config.{field}" for field in fields))


@pytest.fixture(scope="module")
def poem(tmp_path_factory):
    file = tmp_path_factory.mktemp("poem") / "poem.txt"
    file.write_text(POEM)
    return file


@pytest.fixture
def run(gan, poem):
    """A run of two steps; the first test trains it."""
    workdir = poem.parent / "run"
    if not workdir.exists():
        outcome = train(gan, workdir, poem, "steps=2")
        assert outcome.status == 0, outcome.err
    return gan_jax.load(workdir)


def test_a_run_knows_its_alphabet_and_says_what_it_makes(run):
    alphabet = "".join(sorted(set(POEM)))
    assert run.info["alphabet"] == alphabet
    record = json.loads((run.workdir / "config.json").read_text())
    assert record["data"]["alphabet"] == alphabet
    samples = run.sample(6, seed=1)
    assert (samples.shape, samples.dtype) == ((6, 8), np.uint8)
    said = run.text(samples)
    assert all(len(each) == 8 and set(each) <= set(alphabet) for each in said)
    assert text.encode("".join(said), alphabet).tolist() == samples.ravel().tolist()
    assert run.discriminate(samples).shape == (6,)
    for wrong in (samples[:, 1:], samples.astype(int), samples + np.uint8(99)):
        for use in (run.discriminate, run.text):
            with pytest.raises(UsageError, match=r"expected codes|with the code 1"):
                use(wrong)


def test_its_samples_are_written_beside_their_pictures_and_judged(run):
    files = sorted(file.name for file in (run.workdir / "samples").iterdir())
    steps = [f"0000000{i}.{kind}" for i in range(3) for kind in ("png", "txt")]
    assert files == steps
    lines = (run.workdir / "samples" / "00000002.txt").read_text().split("\n")
    assert len(lines) == 2 * 3 + 1
    assert max(map(len, lines)) <= 8
    metrics = run.metrics()
    for n in (1, 2, 3, 4):
        assert (metrics[f"jensen_shannon_{n}"] > 0).all()
        assert (metrics[f"jensen_shannon_{n}"] <= np.log(2) + 1e-9).all()
    assert (run.workdir / "best").is_dir()
    assert "validation_d_loss" in metrics


def test_commands_write_text_pictures_and_arrays(run, draw, tmp_path):
    def out(name, *flags):
        flags = (
            f"--workdir={run.workdir}",
            "--num=5",
            f"--out={tmp_path}/{name}",
            *flags,
        )
        outcome = draw(*flags)
        assert outcome.status == 0, outcome.err
        return tmp_path / name

    expected = run.text(run.sample(5))
    assert out("a.txt").read_text() == "\n".join(text.on_one_line(expected)) + "\n"
    with np.load(out("a.npz")) as arrays:
        np.testing.assert_array_equal(arrays["x"], run.sample(5))
        assert arrays["text"].tolist() == expected
    for name, flags in {"a.png": (), "a.gif": ("--interpolate",)}.items():
        assert out(name, *flags).stat().st_size > 0


def test_a_run_without_text_writes_none(digits_run, draw, tmp_path):
    outcome = draw(f"--workdir={digits_run}", f"--out={tmp_path}/a.txt")
    assert (outcome.status, outcome.out) == (2, "")
    assert "makes no text" in outcome.error


def test_held_out_text_is_the_measure_of_samples(run, judged):
    here = f"--workdir={run.workdir}", "--samples=6"
    assert judged(*here).status == 0
    assert judged(*here, "--real").status == 0
    outcome = judged(f"--show={run.workdir}")
    assert re.search(r"ngrams: samples 6, estimator in examples of 8", outcome.out)
    assert "real text train[9:]" in outcome.out
    names = "frechet,copying,parzen,sliced_wasserstein,stacked_modes,modes,classes"
    names += ",class_score,covariate_shift,closest_pairs,neighbours,convergence,kernel"
    names += ",precision_recall,density_coverage,clusters,classification,translation"
    for name in names.split(","):
        outcome = judged(*here, f"--metrics={name}")
        assert outcome.status == 2, name
        assert len(outcome.err.strip().splitlines()) == 1, outcome.err
    outcome = judged(*here, "--features=pixels")
    assert "--features are for images" in outcome.error


def test_what_text_cannot_be_judged_by_is_refused_before_training(gan, poem, tmp_path):
    flags = "evaluate_metrics=frechet", "best=none"
    outcome = train(gan, tmp_path / "run", poem, *flags)
    refused(outcome, "metric frechet needs examples of numbers, not of characters")
    digits = "--config.evaluate_every=1", "--config.evaluate_metrics=ngrams"
    refused(gan(f"--workdir={tmp_path}/run", *digits), "metric ngrams needs text")


def test_text_of_another_alphabet_is_refused(run, gan, judged, poem):
    poem.write_text(POEM.replace("moon", "MOON"))
    try:
        outcome = train(gan, run.workdir, poem, "steps=3")
        assert outcome.status == 2
        assert "holds a run on other data (changed: alphabet" in outcome.error
        outcome = judged(f"--workdir={run.workdir}", "--samples=6")
        assert "was trained on text of other characters" in outcome.error
    finally:
        poem.write_text(POEM)
    outcome = train(gan, run.workdir, poem, "steps=3")
    assert outcome.status == 0, outcome.err

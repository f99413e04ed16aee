"""A generator that other programs sample from, without this package or without JAX."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

import gan_jax
from gan_jax import cli, export

SAFETENSORS = pytest.importorskip("safetensors.numpy")
pytest.importorskip("flatbuffers")

# what the model card tells to do, where this package cannot be imported
ALONE = """
import sys
sys.modules["gan_jax"] = None
import jax
import numpy as np

generate = jax.export.deserialize(open("generator.jax", "rb").read()).call
example = dict(np.load("example.npz"))
expected = example.pop("x")
samples = generate(example)
few = generate({name: x[:3] for name, x in example.items()})
np.savez("made.npz", samples=samples, few=few)
"""


@pytest.fixture(params=["digits_run", "labelled_run", "translating_run"])
def run(request):
    """One without labels, one with them, one of images of images."""
    return gan_jax.load(request.getfixturevalue(request.param))


@pytest.fixture(scope="session")
def translating_run(tmp_path_factory):
    from gan_jax import main

    workdir = tmp_path_factory.mktemp("runs") / "translating"
    fields = (
        *("steps=12", "batch_size=4", "game.name=pix2pix", "data.input=half"),
        *("generator.name=pix2pix", "generator.width=8", "generator.depth=2"),
        *("discriminator.name=pix2pix", "discriminator.width=2", "sample_grid=2,3"),
        *("devices=1", "discriminator.layers=1", "g_optimizer.learning_rate=0.1"),
    )
    flags = [f"--config.{field}" for field in fields]
    assert cli.run(main.main, [f"--workdir={workdir}", *flags]) == 0
    return workdir


def stored(made, expected):
    """Bytes may differ where a pixel lies between two of them."""
    assert made.dtype == expected.dtype == np.uint8
    assert made.shape == expected.shape
    off = np.abs(made.astype(int) - expected)
    assert off.max() <= 1
    assert (off > 0).mean() < 0.01


def test_a_folder_of_other_files_is_left_alone(digits_run, tmp_path, capsys):
    (tmp_path / "README.md").write_text("mine")
    assert cli.run(export.main, [f"--workdir={digits_run}", f"--out={tmp_path}"]) == 2
    assert "there are files in it; name a new folder" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]
    for _ in range(2):
        flags = f"--workdir={digits_run}", f"--out={tmp_path / 'export'}"
        assert cli.run(export.main, list(flags)) == 0


def test_it_samples_without_this_package(run, tmp_path):
    export.write(run, tmp_path, num=5, data_license="BSD-3-Clause")
    subprocess.run([sys.executable, "-c", ALONE], cwd=tmp_path, check=True)
    with np.load(tmp_path / "example.npz") as file:
        inputs = dict(file)
    if run.game.translate:
        expected = run.translate(inputs["images"])
    else:
        whole = inputs if "y" in inputs else inputs["z"]
        expected = run.generate(whole)
        drawn = run.latents(5)
        drawn = drawn["z"] if "y" in inputs else drawn
        np.testing.assert_array_equal(inputs["z"], drawn)
    assert len(expected) == 5
    assert expected.std() > 1
    stored(inputs["x"], expected)
    with np.load(tmp_path / "made.npz") as made:
        stored(made["samples"], expected)
        stored(made["few"], expected[:3])
    told = (tmp_path / "README.md").read_text()
    for line in ALONE.strip().splitlines()[2:8]:
        assert line in told
    assert "licence of the data: BSD-3-Clause" in told
    config = told.partition("```json\n")[2].partition("```")[0]
    record = json.loads((run.workdir / "config.json").read_text())
    assert json.loads(config) == record["config"]


def test_its_weights_have_the_names_of_the_network(run, tmp_path):
    export.write(run, tmp_path, num=1)
    found = SAFETENSORS.load_file(tmp_path / "generator.safetensors")
    params, stats = run.state.sampler
    leaves = jax.tree.leaves((params, stats))
    assert len(found) == len(leaves) > 0
    assert {name.split("/")[0] for name in found} <= {"params", "stats"}
    for name, leaf in found.items():
        place = {"params": params, "stats": stats}
        for part in name.split("/"):
            place = place[part]
        np.testing.assert_array_equal(leaf, place)
    assert "not stated" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("trained", ["digits_run", "labelled_run"])
def test_an_independent_runtime_makes_the_same_samples(trained, request, tmp_path):
    run = gan_jax.load(request.getfixturevalue(trained))
    compiler = pytest.importorskip("iree.compiler")
    runtime = pytest.importorskip("iree.runtime")
    export.write(run, tmp_path, num=4)
    program = compiler.compile_file(
        str(tmp_path / "generator.stablehlo"),
        input_type="stablehlo",
        target_backends=["llvm-cpu"],
    )
    config = runtime.Config("local-sync")
    module = runtime.VmModule.copy_buffer(config.vm_instance, program)
    with np.load(tmp_path / "example.npz") as file:
        inputs = dict(file)
    expected = inputs.pop("x")
    main = runtime.load_vm_module(module, config).main
    made = main(*(inputs[name] for name in sorted(inputs))).to_host()
    stored(made.view(np.uint8), expected)


def test_the_command_writes_it_beside_the_run_or_elsewhere(
    digits_run, tmp_path, capsys
):
    out = tmp_path / "new" / "folder"
    flags = f"--workdir={digits_run}", "--step=40", f"--out={out}", "--num=2"
    assert cli.run(export.main, list(flags)) == 0
    assert f"wrote {out}: the generator of {digits_run}, step 40" in (
        capsys.readouterr().err
    )
    names = "README.md", "example.npz", "generator.jax", "generator.safetensors"
    assert sorted(file.name for file in out.iterdir()) == [
        *names,
        "generator.stablehlo",
    ]
    assert "40 steps of 16 examples" in (out / "README.md").read_text()


def test_what_is_missing_is_said_in_one_line(digits_run, tmp_path, capsys, monkeypatch):
    def ask(*flags):
        capsys.readouterr()
        status = cli.run(export.main, list(flags))
        return status, capsys.readouterr().err

    status, said = ask(f"--workdir={tmp_path}")
    assert status == 2
    assert "no checkpoint in" in said
    (tmp_path / "file").touch()
    status, said = ask(f"--workdir={digits_run}", f"--out={tmp_path}/file/x")
    assert status == 2
    assert "cannot be written" in said
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    status, said = ask(f"--workdir={digits_run}")
    assert status == 2
    assert 'flatbuffers is missing: pip install "gan_jax[export]"' in said
    assert not (digits_run / "export").exists()

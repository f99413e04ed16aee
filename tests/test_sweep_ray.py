"""Sweeps on Ray: clusters of real processes on this machine's loopback interface."""

import importlib.util
import json
import operator
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time

import pytest

from gan_jax.errors import UsageError
from gan_jax.loop.checkpoint import saved_steps
from gan_jax.sweep import ray
from gan_jax.sweep.folder import read_status

if importlib.util.find_spec("ray") is None:
    pytest.skip('no Ray: pip install -e ".[ray]"', allow_module_level=True)

# Ray takes its settings from the environment when it is imported, so that whatever
# uses it here is a process of its own.
CLUSTER = """
import sys
from ray.cluster_utils import Cluster

node = dict(num_cpus=1, object_store_memory=80_000_000, include_dashboard=False)
cluster = Cluster(initialize_head=True, head_node_args=node)
print(cluster.address, flush=True)
for line in sys.stdin:
    if line == "add\\n":
        added = cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    else:
        cluster.remove_node(added, allow_graceful=False)
    print(line, end="", flush=True)
cluster.shutdown()
"""
# The engine, with tasks that are any commands: {name: argv} as JSON.
ENGINE = """
import json, sys
from pathlib import Path
from gan_jax import cli
from gan_jax.sweep import ray
from gan_jax.sweep.plan import Task

folder, address, commands = sys.argv[1:]
tasks = [Task((name,), argv) for name, argv in json.loads(commands).items()]

run = lambda _: ray.run(tasks, Path(folder), address or None, None)
sys.exit(cli.run(run, []))
"""
PATIENCE = 240  # seconds, on a machine that does much else


class Cluster:
    """A head node, and one that can be added and killed, of one CPU each."""

    def __init__(self, process):
        self._process = process
        self.address = process.stdout.readline().strip()

    def tell(self, order):
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == f"{order}\n"


@pytest.fixture(scope="module")
def protected(tmp_path_factory):
    """The environment of who has the cluster's token."""
    token = tmp_path_factory.mktemp("ray") / "token"
    token.write_text("0123456789abcdef" * 4)
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # loopback
        "RAY_USAGE_STATS_ENABLED": "0",
    }


@pytest.fixture(scope="module")
def cluster(protected):
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        env=os.environ | protected,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Cluster(process)
        process.communicate(timeout=PATIENCE)  # end of its orders


@pytest.fixture
def engine(start, cluster, protected, tmp_path):
    """Starts the engine with commands by name: its process."""

    def engine(address=cluster.address, environment=(), **commands):
        (tmp_path / "sweep").mkdir(exist_ok=True)
        for name in commands:
            (tmp_path / "sweep" / name).mkdir(exist_ok=True)
        arguments = tmp_path / "sweep", address, json.dumps(commands)
        given = (protected if address else {}) | dict(environment)
        return start("-c", ENGINE, *arguments, **given)

    return engine


def wait_until(condition, process):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def python(code):
    return [sys.executable, "-c", code]


# a sweep of real runs


def test_a_killed_node_and_a_signal_lose_nothing(
    small, start, finish, cluster, protected, tmp_path
):
    environment = protected | {"XLA_FLAGS": "", "NPROC": "1"}  # a core for each
    every = "--config.checkpoint_every=100", "--config.log_every=100"
    flags = *small, *every, "--config.sample_every=1000000"
    points = [tmp_path / "sweep" / f"seed={seed}" for seed in range(3)]

    def sweep(seeds, steps):
        return start(
            *("-m", "gan_jax.sweep", "--config=experiments/digits.py"),
            *("--engine=ray", f"--ray_address={cluster.address}", "--population=off"),
            *(f"--workdir={tmp_path}/sweep", f"--seeds={seeds}"),
            *(f"--config.steps={steps}", *flags),
            **environment,
        )

    def saved():
        return [max(saved_steps(p / "checkpoints"), default=0) for p in points]

    def two_go_on_from(before):
        return lambda: sum(map(operator.gt, saved(), before)) == 2

    def resumed():
        logs = [p / "log.txt" for p in points if (p / "log.txt").exists()]
        return [log.read_text().count("resumes from step") for log in logs]

    cluster.tell("add")
    process = sweep(2, 1_000_000)  # without an end
    wait_until(two_go_on_from([0, 0, 0]), process)
    cluster.tell("kill")
    killed = saved()
    cluster.tell("add")  # to have room for both again
    wait_until(lambda: sum(resumed()) == 1, process)
    wait_until(two_go_on_from(killed), process)
    process.send_signal(signal.SIGINT)
    assert finish(process).status == 130
    states = [read_status(point).status for point in points[:2]]
    assert states == ["interrupted", "interrupted"]

    steps = max(saved()) + 100
    outcome = finish(sweep(3, steps))  # on the cluster, which is still there
    assert outcome.status == 0, outcome.err
    for status in map(read_status, points):
        assert (status.status, status.step, status.error) == ("done", steps, None)
    assert sorted(resumed()) == [0, 1, 2]
    # as if nothing had happened
    seed, alone = resumed().index(2), tmp_path / "alone"
    same = f"--config.seed={seed}", f"--config.steps={steps}", f"--workdir={alone}"
    assert finish(start("-m", "gan_jax.main", *flags, *same, **environment)).status == 0
    lost = (points[seed] / "metrics.jsonl").read_text()
    assert lost == (alone / "metrics.jsonl").read_text()


# processes


def test_a_process_that_fails_is_recorded_and_not_tried_again(engine, finish, tmp_path):
    mark = "import os, pathlib; pathlib.Path(os.environ['GAN_JAX_MARK']).open('a')"
    note = f"{mark}.write('x');"
    outcome = finish(
        engine(
            environment={"GAN_JAX_MARK": str(tmp_path / "begun")},
            fine=python(note),
            killed=python(f"{note} os.kill(os.getpid(), 9)"),
            refused=python(f"{note} import sys; sys.exit('no such thing')"),
        )
    )
    assert outcome.status == 0, outcome.err
    assert outcome.err == ""
    assert (tmp_path / "begun").read_text() == "xxx"
    sweep = tmp_path / "sweep"
    assert read_status(sweep / "fine") is None  # it is for the process to say so
    killed, refused = read_status(sweep / "killed"), read_status(sweep / "refused")
    assert (killed.status, refused.status) == ("failed", "failed")
    assert "killed by SIGKILL" in killed.error
    assert refused.error == "its process ended with status 1: no such thing"


def test_nothing_outlives_a_process(tmp_path):
    code = "import subprocess; subprocess.Popen(['sleep', '3600'])"
    reading, writing = os.pipe()
    assert ray._supervise(python(code), tmp_path, os.environ, writing) == 0
    os.close(writing)  # what sleeps has it still, unless it was ended
    assert select.select([reading], [], [], PATIENCE)[0]
    os.close(reading)


def test_a_node_that_is_not_fit_says_why(monkeypatch, tmp_path):
    def train(mark):
        return ray._train(python("pass"), str(tmp_path), {}, str(mark), [])

    monkeypatch.setattr(ray, "_SECONDS_TO_SEE", 0)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    assert re.search("node .* runs without RAY_AUTH_MODE=token", train(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    missing = train(tmp_path / "sweep" / "mark")
    assert re.search(
        f"node .* does not see the sweep's folder {tmp_path}/sweep;", missing
    )
    (tmp_path / "mark").touch()
    assert train(tmp_path / "mark") == (0, "")


def test_a_process_that_its_node_ends_is_gone_on_with_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(InterruptedError, match="shutting down"):
        ray._train(python("exit(143)"), str(tmp_path), {}, str(tmp_path), [])


# what a task is given


@pytest.mark.parametrize(
    ("nodes", "tasks", "gpus", "expected"),
    [
        ([{"CPU": 8}], 2, None, (4, 0)),
        ([{"CPU": 8}, {"CPU": 8}], 3, None, (4, 0)),  # 5 would leave one waiting
        ([{"CPU": 2}, {"CPU": 2}], 100, None, (1, 0)),
        ([{}], 2, None, (1, 0)),  # a head that only looks after others
        ([{"CPU": 8}, {"CPU": 8, "GPU": 2}], 3, None, (1, 1)),
        ([{"CPU": 8, "GPU": 2}], 3, 0.5, (1, 0.5)),
        ([{"CPU": 8, "GPU": 2}], 2, 0, (4, 0)),
    ],
)
def test_cores_are_shared_out_where_there_are_no_gpus(nodes, tasks, gpus, expected):
    given = ray.share(nodes, tasks, gpus)
    assert (given["num_cpus"], given["num_gpus"]) == expected


def test_a_part_of_a_gpu_comes_with_its_part_of_the_memory(monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "/data")
    monkeypatch.setenv("SECRET", "x")
    half = ray._environment({"num_cpus": 1, "num_gpus": 0.5})
    assert half["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.450"
    assert half["TFDS_DATA_DIR"] == "/data"
    assert "SECRET" not in half
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.2")
    half = ray._environment({"num_cpus": 1, "num_gpus": 0.5})
    assert half["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.2"
    monkeypatch.delenv("NPROC")
    assert ray._environment({"num_cpus": 3, "num_gpus": 0})["NPROC"] == "3"


# clusters

LISTENING = """
import json, os, pathlib
raylet = pathlib.Path("/proc", os.environ["RAY_RAYLET_PID"], "fd")
sockets = {os.readlink(file)[8:-1] for file in raylet.iterdir()}
rows = [
    row.split()
    for table in ("tcp", "tcp6")
    for row in pathlib.Path("/proc/net", table).read_text().splitlines()[1:]
]
mine = [row[1] for row in rows if row[3] == "0A" and row[9] in sockets]
token = pathlib.Path(os.environ["RAY_AUTH_TOKEN_PATH"])
mode = oct(token.stat().st_mode)[-3:]
pathlib.Path("seen.json").write_text(json.dumps([mine, mode, str(token)]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_cluster_of_its_own_has_a_token_and_listens_on_loopback(
    engine, finish, monkeypatch, tmp_path
):
    monkeypatch.setenv("HOME", str(tmp_path))  # nor a token there
    monkeypatch.setenv("RAY_ADDRESS", "")
    monkeypatch.chdir(tmp_path)
    outcome = finish(engine(address="", environment={}, look=python(LISTENING)))
    assert outcome.status == 0, outcome.err
    assert read_status(tmp_path / "sweep" / "look") is None, outcome.err
    listening, mode, token = json.loads((tmp_path / "seen.json").read_text())
    hosts = {address.partition(":")[0] for address in listening}
    assert hosts
    assert hosts <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert mode == "600"
    assert not os.path.exists(token)


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize("missing", ["RAY_AUTH_MODE", "RAY_AUTH_TOKEN"])
def test_a_cluster_without_a_token_is_refused(missing, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    for name, value in {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    with pytest.raises(UsageError, match=r"get-auth-token --generate.*RAY_AUTH_MODE"):
        ray.run([], tmp_path, "127.0.0.1:6379", None)


@pytest.mark.parametrize("where", ["RAY_ADDRESS", "argument"])
def test_a_cluster_that_is_not_there_is_named(where, free_port, monkeypatch, tmp_path):
    address = f"127.0.0.1:{free_port}"
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "x")
    monkeypatch.setenv("RAY_ADDRESS", address if where == "RAY_ADDRESS" else "other:1")
    with pytest.raises(UsageError, match=f"{address} cannot be reached within 10 s"):
        ray.run([], tmp_path, None if where == "RAY_ADDRESS" else address, None)


@pytest.mark.parametrize("address", ["somewhere", "host:x", "ray://host:10001"])
def test_what_is_no_address_is_refused(address, monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "x")
    with pytest.raises(UsageError, match=f"{address}: expected HOST:PORT or auto"):
        ray.run([], tmp_path, address, None)

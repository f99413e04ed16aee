"""The engine of a Ray cluster: every task of a sweep is one of Ray's, on any node.

    python -m gan_jax.sweep --engine=ray --ray_address=HOST:PORT ...

runs on a node of the cluster (`--ray_address=auto` is this machine's), and without an
address on a cluster of this machine alone. Every node needs gan_jax, and the sweep's
folder under the same path. A Ray task runs the ordinary command as a process of its
own, so that nothing that happens to it brings down Ray's; when a node or a worker dies,
another one goes on from the checkpoint.

Ray listens on every interface and runs what it is sent. So nothing is begun without
its token authentication; see https://docs.ray.io/en/latest/ray-security/token-auth.html
"""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import filelock

from gan_jax.errors import UsageError
from gan_jax.loop.signals import caught_signals
from gan_jax.sweep.folder import record_death, statuses
from gan_jax.sweep.local import close, memory_share
from gan_jax.sweep.plan import Task
from gan_jax.sweep.points import place
from gan_jax.sweep.run import raise_interrupted

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_TO_CONNECT = 10
# what a process may need to save its state and end
_SECONDS_TO_SAVE = 60
# until a shared file system lets another node see a file, or gives up a dead one's lock
_SECONDS_TO_SEE = 30
_SECONDS_TO_UNLOCK = 300
# times that a task may lose its node or worker, or the memory of its node
_RETRIES = 10
_HOW = (
    "make a token with `ray get-auth-token --generate`, copy it to every node, and "
    "start the nodes and this command with RAY_AUTH_MODE=token (and "
    "RAY_AUTH_TOKEN_PATH=FILE, unless it is ~/.ray/auth_token)"
)
# of this process's environment, what the tasks' processes get on other nodes
_PREFIXES = ("GAN_JAX_", "JAX_", "NPROC", "TFDS_", "XLA_")


def run(
    tasks: list[Task],
    folder: Path,
    address: str | None,
    gpus_per_task: float | None,
) -> None:
    """Trains all tasks on a Ray cluster; returns when all of them have ended.

    address:       HOST:PORT of the cluster, or auto; else $RAY_ADDRESS; without either
                   a cluster is started on this machine, on its loopback interface
                   alone, and stopped at the end
    gpus_per_task: a part of one if below 1; None for one where the cluster has any

    A process that fails is recorded and not tried again; one that was lost with its
    node, its worker or its node's memory is begun again, ten times at most.

    Raises Interrupted after SIGINT or SIGTERM, when the processes have saved and ended;
    a second signal leaves at once. UsageError where the cluster cannot be reached, or
    is not protected by a token, or its nodes do not see the folder.
    """
    address = address or os.environ.get("RAY_ADDRESS") or None
    folder = folder.resolve()
    with contextlib.ExitStack() as stack:
        # What Ray prints of its nodes is long, and would tear the progress.
        log = stack.enter_context((folder / ".ray.log").open("a"))
        stack.enter_context(contextlib.redirect_stdout(log))
        ray = stack.enter_context(_connected(address))
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        resources = share(nodes, len(tasks), gpus_per_task)
        if address is None and resources["num_gpus"] > nodes[0].get("GPU", 0):
            raise UsageError(f"this machine has not {resources['num_gpus']} GPUs")
        mark = stack.enter_context(_mark(folder))
        # Shipped as it is: by its name, every worker would import JAX to find it.
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        train = ray.remote(
            max_retries=_RETRIES, retry_exceptions=[InterruptedError], **resources
        )(_train)
        waiting = {}
        for task in tasks:
            before = statuses(folder, task.names)
            reference = train.remote(
                task.argv,
                os.getcwd(),
                _environment(resources),
                mark,
                [str(place(folder, name) / ".point.lock") for name in task.names],
            )
            waiting[reference] = before
        _wait(ray, waiting, folder)


def _wait(ray, waiting, folder):
    """Until all tasks have ended.

    waiting: by the reference of a task's result, how its points stood before
    """
    with caught_signals(patience=1) as received:
        try:
            while waiting and not received:
                ended, _ = ray.wait(list(waiting), timeout=_SECONDS_BETWEEN_LOOKS)
                for reference in ended:
                    _record(ray, reference, waiting.pop(reference), folder)
        finally:
            if waiting:
                _cancel(ray, list(waiting))
    raise_interrupted(received)


def _cancel(ray, references):
    """Ends tasks; their processes save their state first."""
    for reference in references:
        ray.cancel(reference)
    ray.wait(references, num_returns=len(references), timeout=_SECONDS_TO_SAVE + 10)


def _record(ray, reference, before, folder):
    """Records what the process of a task that has ended could not record itself."""
    try:
        outcome = ray.get(reference)
    except ray.exceptions.RayError as error:
        why = _first_line(getattr(error, "cause", None) or error)
        record_death(folder, before, f"its Ray task failed: {why}")
        return
    if isinstance(outcome, str):
        raise UsageError(outcome)
    returncode, said = outcome
    if said and returncode > 0:
        reason = f"its process ended with status {returncode}: {said}"
        record_death(folder, before, reason)
    close(before, returncode, folder, told=False)


def _first_line(error):
    return next(filter(None, map(str.strip, str(error).splitlines())), repr(error))


# on the cluster


def _train(argv, directory, environment, mark, locks):
    """Runs the command of a task on a node, unless the node is not fit for it.

    Gives the exit status and the last line on stderr, or else what the node lacks.
    Ray's workers know nothing of this module but the functions that this one uses.
    """
    where = f"node {socket.gethostname()}"
    if os.environ.get("RAY_AUTH_MODE") != "token":
        return f"{where} of the Ray cluster runs without RAY_AUTH_MODE=token; {_HOW}"
    deadline = time.monotonic() + _SECONDS_TO_SEE
    while not os.path.exists(mark):
        if time.monotonic() > deadline:
            return (
                f"{where} does not see the sweep's folder {os.path.dirname(mark)}; "
                "choose a --workdir on a file system that all nodes share"
            )
        time.sleep(0.5)
    # A node that was lost may still be working, or the file system believe so.
    deadline = time.monotonic() + _SECONDS_TO_UNLOCK
    for lock in filter(os.path.exists, locks):
        left = max(0.0, deadline - time.monotonic())
        with contextlib.suppress(filelock.Timeout), filelock.FileLock(lock, left):
            pass
    if not os.path.isdir(directory):
        directory = os.path.dirname(mark)
    command = [sys.executable, *argv[1:]]  # Python may lie elsewhere on this node
    with tempfile.TemporaryFile() as errors:  # of before it has opened its log.txt
        status = _supervise(command, directory, os.environ | environment, errors)
        errors.seek(0)
        lines = errors.read().decode(errors="replace").splitlines()
    if status in (128 + signal.SIGTERM, 128 + signal.SIGINT):
        raise InterruptedError(f"{where} is shutting down")  # another one goes on
    return status, next(filter(None, reversed(lines)), "")


def _supervise(command, directory, environment, errors):
    """The exit status of a command, nothing of which outlives this call."""
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        process_group=0,
    )
    try:
        while process.poll() is None:
            time.sleep(0.1)
    finally:  # it has ended; or it was cancelled, or this worker is to end
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_SECONDS_TO_SAVE)
    return process.returncode


@contextlib.contextmanager
def _mark(folder):
    """A file by which a node can tell that it sees this very folder."""
    mark = folder / f".ray.{secrets.token_hex(8)}"
    mark.touch()
    try:
        yield str(mark)
    finally:
        mark.unlink(missing_ok=True)


def _environment(resources):
    """What the processes of the tasks see beside the environment of their node."""
    own = {k: x for k, x in os.environ.items() if k.startswith(_PREFIXES)}
    gpus = resources["num_gpus"]
    if not gpus:
        return {"NPROC": str(resources["num_cpus"])} | own
    if gpus < 1:
        return memory_share(gpus) | own
    return own


def share(
    nodes: list[dict[str, float]], tasks: int, gpus_per_task: float | None
) -> dict[str, float]:
    """What Ray gives to a task: {"num_cpus": .., "num_gpus": ..}.

    nodes: what each has of "CPU" and "GPU"; a task that trains on a CPU gets as many
           cores as leave room for all tasks at once, or one
    """
    if gpus_per_task is None:
        gpus_per_task = int(any(node.get("GPU") for node in nodes))
    if gpus_per_task:
        return {"num_cpus": 1, "num_gpus": gpus_per_task}
    cores = [int(node.get("CPU", 0)) for node in nodes]
    fits = (n for n in range(max(cores), 1, -1) if sum(c // n for c in cores) >= tasks)
    return {"num_cpus": next(fits, 1), "num_gpus": 0}


# to the cluster


@contextlib.contextmanager
def _connected(address):
    """The module ray, connected; the cluster is left as it was found."""
    with contextlib.ExitStack() as stack:
        if address is None:
            settings = stack.enter_context(_private_cluster())
        else:
            settings = {"RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "")}
            if settings["RAY_AUTH_MODE"] != "token" or not _has_token():
                raise UsageError(f"--engine=ray needs token authentication: {_HOW}")
            _refuse_unreachable(address)
        settings |= {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_task_oom_retries": str(_RETRIES),
        }
        stack.enter_context(_environment_with(settings))
        import ray

        try:
            ray.init(
                address or "local",
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level="CRITICAL",
            )
        except (ray.exceptions.RayError, OSError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"the Ray cluster at {address} cannot be joined: {_first_line(error)}; "
                "is its token the same as here?"
            ) from None
        try:
            yield ray
        finally:
            ray.shutdown()


@contextlib.contextmanager
def _private_cluster():
    """The settings of a cluster that only this user of this machine can reach."""
    # By this, which is off by default on macOS and Windows alone, Ray knows of other
    # machines, and listens for them.
    settings = {"RAY_AUTH_MODE": "token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    if _has_token():
        yield settings
        return
    with tempfile.NamedTemporaryFile("w", prefix="gan_jax_ray_") as file:  # mode 0600
        file.write(secrets.token_hex(32))
        file.flush()
        yield settings | {"RAY_AUTH_TOKEN_PATH": file.name}


@contextlib.contextmanager
def _environment_with(values):
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _has_token():
    """Whether the user has a token where Ray looks for one, in its order."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return True
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"
    try:
        return bool(Path(path).expanduser().read_text().strip())
    except OSError:
        return False


def _refuse_unreachable(address):
    """Ray itself would try for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise UsageError(f"--ray_address={address}: expected HOST:PORT or auto")
    try:
        socket.create_connection((host, int(port)), _SECONDS_TO_CONNECT).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"the Ray cluster at {address} cannot be reached within "
            f"{_SECONDS_TO_CONNECT} s: {error}"
        ) from None

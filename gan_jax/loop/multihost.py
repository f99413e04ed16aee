"""Several processes, on hosts of their own, as one job.

Each runs the same program on the same global arrays. What is written once is written by
the chief; nothing that ends a run may be known to one process alone, since the others
would wait for it in an exchange.
"""

import contextlib
import os
import socket
import sys
import time
import traceback

import jax
import numpy as np
from jax.experimental import multihost_utils

from gan_jax.errors import DivergedError, Interrupted, StorageError, UsageError

_SECONDS_WITHOUT_A_SIGN = 30  # of a process, after which JAX ends the others


def is_chief() -> bool:
    """Whether this process writes what is written once."""
    return not jax.distributed.is_initialized() or jax.process_index() == 0


def wait_for_all(name: str) -> None:
    """Waits until every process of the job is here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def refuse_other_steps(step: int) -> None:
    """Raises UsageError in all processes of the job, unless all go on from `step`."""
    if jax.process_count() == 1:
        return
    found = multihost_utils.process_allgather(np.int32(step)).tolist()
    if len(set(found)) > 1:
        raise UsageError(
            "the processes of this job would go on from different steps "
            f"({', '.join(map(str, found))}); --workdir must be one folder for all"
        )


@contextlib.contextmanager
def job(
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
    timeout: int,
):
    """Within it this process is one of a job of several.

    To be entered before anything else of JAX is used.

    coordinator: "host:port" of process 0; it, the number of processes and the number of
                 this one are None where JAX finds them by itself: SLURM, Open MPI,
                 Kubernetes, Cloud TPUs
    timeout:     seconds to wait for the others

    Raises UsageError where the others are not reached.
    """
    if coordinator is not None and process_id != 0:
        _wait_for(coordinator, timeout)  # JAX would abort the process
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(
            coordinator,
            num_processes,
            process_id,
            initialization_timeout=timeout,
            heartbeat_timeout_seconds=_SECONDS_WITHOUT_A_SIGN,
        )
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"--multihost: {reason}") from None
    yield
    jax.distributed.shutdown()


@contextlib.contextmanager
def ends_with_the_job():
    """Within it, what ends this process of a job ends it at once, with a line.

    The others wait for it in an exchange, and it would wait for them to close its files
    and checkpoints with them: both for ever, or until JAX aborts them.
    """
    try:
        yield
    except (DivergedError, Interrupted):
        raise  # in all processes, after the same step
    except BaseException as error:
        if jax.process_count() == 1:
            raise
        status, line = 1, "this process of the job failed"
        if isinstance(error, UsageError | StorageError):
            status, line = error.exit_status, str(error)
        elif isinstance(error, OSError):
            line = f"{line}: {error}"
        elif isinstance(error, jax.errors.JaxRuntimeError):
            reason = str(error).partition("\n")[0]
            line = (
                f"a process of the job is gone, or its device ({reason}); start all of "
                "them again to go on from the newest checkpoint"
            )
        else:
            traceback.print_exc()
        print(f"gan_jax: {line}", file=sys.stderr, flush=True)
        os._exit(status)


def _wait_for(address, timeout):
    """Returns once somebody listens at the address."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--coordinator={address}: expected HOST:PORT")
    deadline = time.monotonic() + timeout
    while True:
        try:
            left = max(deadline - time.monotonic(), 0.1)
            socket.create_connection((host, int(port)), timeout=left).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise UsageError(
                    f"--coordinator={address} was not reached within {timeout} s "
                    f"({error})"
                ) from None
        time.sleep(0.2)

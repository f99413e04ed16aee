"""The time from the training command to its first step."""

import os
import signal
import subprocess
import sys
import tempfile
import time

from gan_jax.errors import UsageError


def startup(path: str, changes: list[tuple[str, str]]) -> dict[str, float]:
    """Seconds to the first step of the training command: {"cold": .., "warm": ..}."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": f"{folder}/compiled"}
        command = [sys.executable, "-m", "gan_jax.main", f"--config={path}"]
        command += [f"--config.{field}={value}" for field, value in changes]
        return {
            name: _first_step([*command, f"--workdir={folder}/{name}"], environment)
            for name in ("cold", "warm")
        }


def _first_step(command, environment):
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True
    )
    said = []
    with process:
        for line in process.stderr:
            said.append(line)
            if line.startswith("first step"):
                seconds = time.perf_counter() - begin
                process.send_signal(signal.SIGKILL)
                return seconds
    raise UsageError("".join(said[-1:]).strip().removeprefix("gan_jax: "))

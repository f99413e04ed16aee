"""What a number was measured on, and with: the machine, the versions, the commit."""

import functools
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

import gan_jax

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def versions() -> dict[str, str]:
    """Of Python, of this package and of those that the numbers of a run depend on."""
    return {
        "python": platform.python_version(),
        "gan_jax": gan_jax.__version__,
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def machine() -> dict:
    """processor: its name; cores: how many this process may use."""
    return {"processor": _processor(), "cores": cores()}


def cores() -> int | None:
    """How many this process may use; None where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


@functools.cache
def commit() -> str | None:
    """That of the checkout which this package lies in, if it does.

    With a + where files of the package or its experiments differ from it.
    """
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None

    def git(*arguments):
        command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        paths = "gan_jax", "experiments", ":(exclude)experiments/results"
        changed = git("status", "--porcelain", "--", *paths)
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor():
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:  # not on Linux
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()

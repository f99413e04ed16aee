"""python -m gan_jax.benchmark"""

import sys

from gan_jax import cli
from gan_jax.benchmark.command import main

if __name__ == "__main__":
    sys.exit(cli.run(main))

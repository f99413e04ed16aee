"""Our experiments written for PyTorch: the other side of the benchmark.

Each file named as an experiment defines

    FOLLOWS             the fields of its config that it honours, beyond the values that
                        the experiment itself gives to all the others (a literal)
    make(config, shape) the `Twin` of an experiment, its config as plain JSON

The same networks, losses, optimizers and order of turns as ours, which
tests/test_peers.py holds them to, in the form that is fast in PyTorch.
"""

"""The ledger: results of the experiments, each a small JSON file, and their tables."""

"""How good samples are: one file a metric, each a function of arrays."""

"""From an experiment's file and a command line to a config that a run is made of."""

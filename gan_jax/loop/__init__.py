"""How a run goes: devices, programs, logs, checkpoints. No author of a GAN opens it."""

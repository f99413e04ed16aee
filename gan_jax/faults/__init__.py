"""Faults made on purpose, and what becomes of a run: python -m gan_jax.faults

`kinds` makes them, `trial` trains the tiny run that they befall and compares it, once
it has gone on, bit for bit with the same run undisturbed.
"""

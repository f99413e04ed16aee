"""How a function becomes a program for this backend."""

import functools

import jax

# Of XLA's two libraries of convolutions on CPU, the newer one is slower in training:
# these are its products and sums alone.
_CPU_OPTIONS = {
    "xla_cpu_experimental_ynn_fusion_type": (
        "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
    )
}


def compiled(function):
    """`function`, jitted for this backend; it takes over its first argument."""
    return jax.jit(function, donate_argnums=0, compiler_options=_compiler_options())


@functools.cache
def _compiler_options():
    """Options of the compiler for this backend, where this version knows them."""
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda: 0, compiler_options=_CPU_OPTIONS).lower().compile()
    except jax.errors.JaxRuntimeError:
        return None
    return _CPU_OPTIONS


def has_convolutions(step, *arguments) -> bool:
    """Whether a function of such arguments convolves anything."""
    return "conv_general_dilated" in str(jax.make_jaxpr(step)(*arguments))

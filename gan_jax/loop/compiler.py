"""How a function becomes a program for this backend."""

import functools
import math

import jax
from jax.extend.core import jaxprs_in_params

_YNN = "xla_cpu_experimental_ynn_fusion_type"
# oneDNN's convolutions, where this version carries them.
_ONEDNN = {
    "xla_cpu_experimental_onednn_custom_call": True,
    "xla_cpu_use_onednn": False,  # its graphs, which would take them away
    _YNN: "LIBRARY_FUSION_TYPE_REDUCE",
    "xla_cpu_use_xnnpack": False,
}
# Operations of a convolution from which on oneDNN pays.
_LARGE = 1e8
# Of XLA's own two libraries of convolutions, the newer one is slower in training: these
# are its products and sums alone.
_EIGEN = {_YNN: "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"}


def compiled(function):
    """`function`, jitted for this backend; it takes over its first argument."""
    library = _library()
    if library is _ONEDNN:
        return _Program(function)
    return jax.jit(function, donate_argnums=0, compiler_options=library)


class _Program:
    """A function, jitted with the library that is best for what it computes.

    Known once it is called or lowered: oneDNN is faster in large convolutions alone,
    and its programs cannot be kept for the next start.
    """

    def __init__(self, function):
        self._jit = functools.partial(jax.jit, function, donate_argnums=0)
        self._jitted = None

    def __call__(self, *arguments):
        return self._for(arguments)(*arguments)

    def lower(self, *arguments):
        return self._for(arguments).lower(*arguments)

    def _for(self, arguments):
        if self._jitted is None:
            largest = max(convolutions(self._jit(), *arguments), default=0)
            options = _ONEDNN if largest >= _LARGE else _EIGEN
            self._jitted = self._jit(compiler_options=options)
        return self._jitted


@functools.cache
def _library():
    """Options for convolutions on this backend, where this version knows them.

    The same ones at every start, and with them the same bits of a step.
    """
    if jax.default_backend() != "cpu":
        return None
    # a version without oneDNN may know the options all the same
    if "__onednn$convolution" in _compiled_convolution(_ONEDNN):
        return _ONEDNN
    return _EIGEN if _compiled_convolution(_EIGEN) else None


def _compiled_convolution(options):
    """The text of a program with a convolution; empty if this version refuses them."""

    def convolve(image, kernel):
        return jax.lax.conv(image, kernel, (1, 1), "VALID")

    image, kernel = (jax.ShapeDtypeStruct((1, 1, n, n), "float32") for n in (4, 2))
    lowered = jax.jit(convolve, compiler_options=options).lower(image, kernel)
    try:
        return lowered.compile().as_text()
    except jax.errors.JaxRuntimeError:
        return ""


def convolutions(function, *arguments) -> list[int]:
    """The operations of each convolution in a function of such arguments.

    Those with the zeros between strides are no operations; those of
    `jax.lax.platform_dependent` are counted for every platform.
    """
    return list(_convolutions(jax.make_jaxpr(function)(*arguments).jaxpr))


def _convolutions(jaxpr):
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            outputs = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
            places = math.prod(equation.outvars[0].aval.shape) // outputs
            of_zeros = math.prod(equation.params["lhs_dilation"])
            yield 2 * places * math.prod(kernel) // of_zeros
        for inner in jaxprs_in_params(equation.params):
            yield from _convolutions(inner)

"""What augmentations do to images [n, h, w, c], each image by itself; no parameters.

    plain       brightness, saturation, contrast, shifts, holes
    plane       matrices of the plane: mirrored, turned, scaled, moved
    resampling  images seen through such a matrix
    colour      matrices of colours: brightness, contrast, luma, hue, saturation
    policy      what DiffAugment draws of these
    pipe        what StyleGAN2-ADA draws of them

All are affine in the image, so gradients of every order come from jax.
"""

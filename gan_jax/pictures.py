"""What a run shows: grids of images and of curves, text, scatter plots, animations."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from gan_jax.files import whole

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")  # of pictures
_MIN_SIDE = 56  # pixels on the screen of one image; smaller ones are magnified
_MAX_FRAMES = 200
_ENDS = {"GIF": b";", "PNG": b"IEND\xaeB`\x82"}  # of the files


def grid(images: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """uint8 images [n, h, w, c], row by row, as one picture [H, W, 3].

    Small images are magnified by a whole factor, so that every pixel stays a square.
    What is transparent shows white.
    """
    images = _on_white(images) if images.shape[-1] == 4 else images
    _, h, w, c = images.shape
    factor = max(1, -(-_MIN_SIDE // max(h, w)))
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    gap = 2
    cell_h, cell_w = h * factor + gap, w * factor + gap
    picture = np.full((rows * cell_h + gap, columns * cell_w + gap, c), 255, np.uint8)
    for i, image in enumerate(images[: rows * columns]):
        top = gap + (i // columns) * cell_h
        left = gap + (i % columns) * cell_w
        picture[top : top + h * factor, left : left + w * factor] = image
    return picture.repeat(3, axis=2) if c == 1 else picture


def cells(picture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The images [n, h, w, c] that `grid` has put into a picture, as it shows them."""
    gap = 2
    h, w = (picture.shape[0] - gap) // rows, (picture.shape[1] - gap) // columns
    picture = picture[gap : gap + rows * h, gap : gap + columns * w]
    images = picture.reshape(rows, h, columns, w, -1).swapaxes(1, 2)
    return images[:, :, : h - gap, : w - gap].reshape(
        rows * columns, h - gap, w - gap, -1
    )


def _on_white(images):
    """RGBA images [n, h, w, 4] as RGB ones."""
    share = images[..., 3:] / 255
    return np.rint(images[..., :3] * share + 255 * (1 - share)).astype(np.uint8)


def scatter(points: np.ndarray, behind=None, label: str = "data") -> np.ndarray:
    """The first two coordinates of vectors [n, d] as a picture [H, W, 3].

    behind: vectors to draw underneath under the name of `label`, such as training
            examples; they also fix the axes.
    """
    figure, axes = _figure(1, width=4.5, height=4.5)
    for shown, name, color in ((behind, label, "0.75"), (points, "samples", "C0")):
        if shown is not None:
            # a vector of one coordinate is drawn on a line
            y = shown[:, 1] if shown.shape[1] > 1 else np.zeros(len(shown))
            axes[0].scatter(shown[:, 0], y, s=5, color=color, label=name)
    if behind is not None:
        low, high = behind.min(axis=0), behind.max(axis=0)
        margin = 0.15 * (high - low) + 1e-6
        axes[0].set_xlim(low[0] - margin[0], high[0] + margin[0])
        if behind.shape[1] > 1:
            axes[0].set_ylim(low[1] - margin[1], high[1] + margin[1])
    axes[0].legend(loc="upper right")
    return render(figure)


def curves(signals, rows: int, columns: int, limits=None) -> np.ndarray:
    """Signals [n, length, channels], row by row, as curves: a picture [H, W, 3].

    limits: the values at the bottom and at the top of each cell; those of the signals
            themselves if not given
    """
    low, high = limits or (signals.min(), signals.max())
    figure, (panel,) = _figure(1, width=1.5 * columns, height=rows)
    across = np.linspace(0.05, 0.95, signals.shape[1])
    up = 0.05 + 0.9 * np.clip((signals - low) / max(high - low, 1e-30), 0, 1)
    for i, values in enumerate(up[: rows * columns]):
        row, column = divmod(i, columns)
        for channel, line in enumerate(values.T):
            at = column + across, rows - 1 - row + line
            panel.plot(*at, color=f"C{channel}", linewidth=1)
    panel.set(xlim=(0, columns), ylim=(0, rows), xticks=range(1, columns))
    panel.set(yticks=range(1, rows), xticklabels=[], yticklabels=[])
    panel.grid(color="0.9")
    panel.tick_params(length=0)
    return render(figure)


def page(lines, columns: int) -> np.ndarray:
    """Lines of text in letters of one width, as a picture [H, W, 3].

    columns: as many letters as a line is wide; longer lines are cut
    """
    from matplotlib.figure import Figure

    size = 9  # points; a letter is 0.602 of it wide, in inches of 72
    inches = (columns + 2) * 0.602 * size / 72, (len(lines) + 1) * 1.4 * size / 72
    figure = Figure(figsize=inches, dpi=100)
    for i, line in enumerate(lines):
        height = 1 - (i + 1) / (len(lines) + 1)
        figure.text(
            *(1 / (columns + 2), height, line[:columns]),
            family="monospace",
            fontsize=size,
            verticalalignment="center",
            parse_math=False,
        )
    with warnings.catch_warnings():  # letters that no font here has
        warnings.filterwarnings("ignore", message="Glyph")
        return render(figure)


def write_image(path: Path, picture: np.ndarray) -> None:
    """Writes a picture [h, w, 1, 3 or 4], whole or not at all, in the format of the
    path's suffix; OSError where that cannot hold it.
    """
    picture = picture[..., 0] if picture.shape[-1] == 1 else picture
    with whole(path) as unfinished:
        try:
            Image.fromarray(picture).save(unfinished)
        except ValueError as error:  # of what a format cannot hold
            raise OSError(str(error)) from None


def write_animation(path: Path, frames, rest: bool = True) -> None:
    """Writes pictures, or files of pictures, as an animated GIF or WebP.

    At most 200 frames, evenly chosen with the first and the last, in at most 8 seconds;
    with `rest` it stays on the last one for a while.
    """
    frames = list(frames)
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), _MAX_FRAMES))
    images = []
    for index in chosen.round().astype(int):
        frame = frames[index]
        opened = (
            Image.open(frame) if isinstance(frame, Path) else Image.fromarray(frame)
        )
        images.append(opened.convert("RGB"))
    duration = min(200, 8000 // len(images))  # milliseconds a frame
    durations = [duration] * (len(images) - 1) + [1500 if rest else duration]
    with whole(path) as unfinished:
        images[0].save(
            unfinished,
            save_all=True,
            append_images=images[1:],
            duration=durations,
            loop=0,
        )


def is_whole(path: Path) -> bool:
    """Whether a file is a picture or an animation that can be read to its end."""
    try:
        with Image.open(path) as picture:
            for frame in ImageSequence.Iterator(picture):
                frame.load()
            end = _ENDS.get(picture.format, b"")
        return path.read_bytes().endswith(end)  # Pillow may do without it
    except Exception:  # many kinds are raised for torn files
        return False


def write_curves(path: Path, metrics: dict[str, np.ndarray], loss) -> None:
    """Writes `draw_curves` to a file."""
    write_image(path, draw_curves(metrics, loss))


def draw_curves(metrics: dict[str, np.ndarray], loss) -> np.ndarray:
    """Both losses, D's mean outputs and its accuracy over the steps: [H, W, 3].

    metrics: of `Run.metrics`; pale as logged, and their running means. A grey line
    marks the value at equilibrium, where p_g = p_data and D is the best there is, as
    far as it is known. What is minimised beside D's loss has a panel of its own, and so
    has what else a game may measure.
    """
    d_rest, g_rest = loss.losses_at_rest
    output = "D, probability of real" if loss.logits else "D, mean score"
    panels = [
        ("D's loss", {"training": "d_loss", "held out": "validation_d_loss"},
         d_rest),
        ("G's loss", {"training": "g_loss", "held out": "validation_g_loss"},
         g_rest),
        (output,
         {"real": "d_real", "held out": "validation_d_real", "fake": "d_fake"},
         loss.rest),
        ("D's accuracy",
         {"real": "d_real_accuracy", "held out": "validation_d_real_accuracy",
          "fake": "d_fake_accuracy"}, 0.5),
    ]  # fmt: skip
    penalties = {"training": "d_penalty", "held out": "validation_d_penalty"}
    panels.insert(2, ("D's penalty", penalties, None))
    convergence = {
        "training": "d_convergence",
        "held out": "validation_d_convergence",
    }
    panels.append(("convergence, less is better", convergence, None))
    known = [panel for panel in panels[2:] if set(panel[1].values()) & set(metrics)]
    panels = panels[:2] + known  # the losses have theirs before anything is logged
    colors = {"real": "C0", "training": "C0", "held out": "C2", "fake": "C1"}
    figure, axes = _figure(len(panels), width=4.2, height=3.2)
    for panel, (title, curves, equilibrium) in zip(axes, panels, strict=True):
        for label, name in curves.items():
            if name in metrics:
                known = ~np.isnan(metrics[name])
                steps, values = metrics["step"][known], metrics[name][known]
                line = {"color": colors[label], "linewidth": 1}
                panel.plot(steps, values, alpha=0.3, **line)
                panel.plot(*_smooth(steps, values), label=label, **line)
        if equilibrium is not None:
            line = {"color": "0.3", "linestyle": "--", "linewidth": 1}
            panel.axhline(equilibrium, label="equilibrium", **line)
        panel.set(title=title, xlabel="step")
        panel.legend(fontsize="small")
    return render(figure)


def write_quality(path: Path, metrics: dict[str, np.ndarray], perfect) -> None:
    """Draws the metrics of samples over the steps, each in a panel.

    perfect: name -> the value of samples of the data itself, a grey line, or None
    """
    figure, axes = _figure(len(perfect), width=4.2, height=3.2)
    for panel, (name, best) in zip(axes, perfect.items(), strict=True):
        known = ~np.isnan(metrics[name])
        steps, values = metrics["step"][known], metrics[name][known]
        panel.plot(steps, values, marker=".", linewidth=1, label="samples")
        if best is not None:
            label = f"the data itself, {best:.4g}"
            panel.axhline(best, color="0.3", linestyle="--", linewidth=1, label=label)
        panel.set(title=name.replace("_", " "), xlabel="step")
        if len(values) == 0 or values.min() >= 0:  # no log-likelihood, no estimate of 0
            panel.set_ylim(bottom=0)
        panel.legend(fontsize="small")
    write_image(path, render(figure))


def _smooth(steps, values):
    """Means over 1/40 of the curve, so that its course shows in the noise."""
    width = max(1, len(values) // 40)
    kernel = np.full(width, 1 / width)
    return tuple(np.convolve(x, kernel, "valid") for x in (steps, values))


def _figure(panels, width, height):
    # not pyplot: no global state, no display, nothing to close
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * panels, height), layout="constrained")
    return figure, np.atleast_1d(figure.subplots(1, panels))


def render(figure) -> np.ndarray:
    """A matplotlib Figure as a picture [H, W, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()

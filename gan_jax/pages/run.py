"""The page of a run: report.html in its work directory."""

import base64
import hashlib
import html
import shlex
from pathlib import Path

from PIL import Image

from gan_jax import pages, pictures
from gan_jax.config.files import (
    experiments_dir,
    fields,
    load_experiment,
    own_experiment,
)
from gan_jax.diagnosis import Diagnosis, diagnose
from gan_jax.loop.log import pictures_by_step, read_metrics
from gan_jax.metrics import protocol
from gan_jax.pages import escaped
from gan_jax.pages.latents import sheet

_HERE = Path(__file__).parent
_FRAMES = 60  # of the slider, evenly chosen
_LARGEST = 800  # pixels along a side of a picture of samples
_WIDEST = 2_500  # of another one
_VERDICTS = {"alarm": "", "note": "worth a look: ", "fine": "not seen: "}


def page(workdir: Path) -> str:
    """What is known of the run in `workdir`, which may still train, as one HTML file.

    Raises UsageError where there is no run.
    """
    found = diagnose(workdir)
    script = (_HERE / "slider.js").read_text()
    frames = _frames(workdir)
    script = script if len(frames) > 1 else ""
    digest = hashlib.sha256(script.encode()).digest()
    return pages.fill(
        _HERE / "run.html",
        title=escaped(found.evidence.record["experiment"]),
        facts=pages.facts(_facts(found.evidence)),
        samples=_samples(frames) + _between_latents(workdir),
        diagnosis=_diagnosis(found),
        curves=_curves(found.evidence),
        metrics=_metrics(workdir),
        config=_config(found.evidence),
        load=html.escape(_how_to_load(workdir)),
        script_hash=f"sha256-{base64.b64encode(digest).decode()}",
        script=script,
    )


def _facts(e):
    data, versions = e.built.info, e.record.get("versions", {})
    shape = "x".join(map(str, data["shape"]))
    size = f"{data['size']:,} examples of " if "size" in data else ""
    facts = {
        "Work directory": str(e.workdir),
        "Step": f"{e.step:,} of {e.config.steps:,}",
        "Seed": str(e.config.seed),
        "Data": f"{e.config.data.name}, {size}{shape}",
        "Generator": e.config.generator.name,
        "Discriminator": e.config.discriminator.name,
        "Loss": e.config.loss.name,
        "Software": ", ".join(f"{name} {x}" for name, x in versions.items()),
        "Devices": ", ".join(e.record.get("devices", ())),
    }
    return [(name, text) for name, text in facts.items() if text]


def _frames(workdir):
    """(step, file of a PNG) of the whole pictures of samples, evenly chosen."""
    files = list(pictures_by_step(workdir).items())
    n = min(len(files), _FRAMES)
    chosen = (files[i * (len(files) - 1) // max(n - 1, 1)] for i in range(n))
    frames = ((step, _read(file, _LARGEST)) for step, file in chosen)
    return [(step, png) for step, png in frames if png is not None]


def _read(file, largest):
    """A picture as a PNG of at most so many pixels along a side; None of a torn one."""
    try:
        with Image.open(file) as image:
            picture = image.convert("RGB")
    except (OSError, SyntaxError, ValueError):
        return None
    picture.thumbnail((largest, largest))
    return pages.as_png(picture)


def _samples(frames):
    """All of them below each other, of which the script shows one."""
    if not frames:
        return "<p>There are no pictures yet.</p>"
    last = len(frames) - 1
    images = "\n".join(
        pages.image(png, f"samples at step {step:,}", step=f"{step:,}")
        for step, png in frames
    )
    return (
        f'<div id="samples">\n<label hidden>step <input type="range" min="0" '
        f'max="{last}" value="{last}"> <output></output></label>\n{images}\n</div>'
    )


def _between_latents(workdir):
    found = sheet(workdir)
    if found is None:
        return ""
    step, picture = found
    png = pages.as_png(Image.fromarray(picture))
    return pages.figure(
        png, [f"between four latents at step {step:,}", "the corners are samples"]
    )


def _diagnosis(found: Diagnosis):
    parts = []
    for finding in found.findings:
        if finding.verdict == "unknown":
            continue
        name = f"{_VERDICTS[finding.verdict]}{finding.name}"
        offers = "".join(
            f"<li><code>{escaped(x.changes)}</code>: {escaped(x.why)}</li>"
            for x in found.offers(finding)
        )
        parts.append(
            f'<div class="finding {finding.verdict}"><b>{escaped(name)}</b>'
            f"<p>{escaped(finding.seen)}</p>"
            + (f"<p>{escaped(finding.meaning)}</p>" if finding.meaning else "")
            + (f"<ul>{offers}</ul>" if offers else "")
            + "</div>"
        )
    unknown = [x for x in found.findings if x.verdict == "unknown"]
    items = (f"<li>{escaped(x.name)}: {escaped(x.seen)}</li>" for x in unknown)
    if unknown:
        parts.append(f"<p>The logs do not say:</p><ul>{''.join(items)}</ul>")
    return "\n".join(parts)


def _curves(e):
    """The losses, drawn anew, and what else lies drawn in the work directory."""
    figures = ["<p>Nothing was logged yet.</p>"]
    if metrics := read_metrics(e.workdir):
        drawn = Image.fromarray(pictures.draw_curves(metrics, e.loss))
        figures = [pages.figure(pages.as_png(drawn), ["losses and outputs of D"])]
    files = [file for file in e.workdir.glob("*.png") if file.stem != "losses"]
    for file in sorted(files, key=lambda file: (file.stem != "quality", file.stem)):
        if (png := _read(file, _WIDEST)) is not None:
            figures.append(pages.figure(png, [file.stem.replace("_", " ")]))
    return "\n".join(figures)


def _metrics(workdir):
    """A table for each protocol, the newest step last."""
    parts = []
    for column in protocol.columns(protocol.read(workdir)):
        names = list(dict.fromkeys(name for x in column for name in x.values))
        rows = [
            [_of_what(x), str(x.protocol.seed), *(_value(x, name) for name in names)]
            for x in column
        ]
        parts.append(f"<p>{escaped(str(column[0].protocol))}</p>")
        parts.append(pages.table(["step", "seed of samples", *names], rows))
    return "\n".join(parts) or (
        "<p>Nothing was evaluated: <code>python -m gan_jax.evaluate</code> does.</p>"
    )


def _of_what(measurement):
    if measurement.step is None:
        return measurement.model or "real data"
    return f"{measurement.step:,}"


def _value(measurement, name):
    if name not in measurement.values:
        return "\N{EN DASH}"
    error = measurement.standard_errors.get(name)
    text = f"{measurement.values[name]:.4g}"
    return text if error is None else f"{text} \N{PLUS-MINUS SIGN} {error:.2g}"


def _config(e):
    """What differs from the experiment, and all fields."""
    own = own_experiment(e.record["experiment"]) or own_experiment("default")
    there, here = fields(load_experiment(str(own))[0]), fields(e.config)
    changed = [
        [field, str(there.get(field, "absent")), str(here.get(field, "absent"))]
        for field in sorted(there | here)
        if there.get(field) != here.get(field)
    ]
    file = f"experiments/{own.relative_to(experiments_dir())}"
    differences = (
        pages.table(["field", file, "this run"], changed)
        if changed
        else f"<p>That of {escaped(file)}, unchanged.</p>"
    )
    everything = [[field, str(value)] for field, value in sorted(here.items())]
    return (
        f"{differences}\n<details><summary>All fields</summary>\n"
        f"{pages.table(['field', 'value'], everything)}\n</details>"
    )


def _how_to_load(workdir):
    quoted = shlex.quote(str(workdir))
    return (
        "import gan_jax\n\n"
        f"run = gan_jax.load({str(workdir)!r})\n"
        "samples = run.sample(64, seed=1)\n"
        'curve = run.metrics()["d_loss"]\n\n'
        f"python -m gan_jax.sample --workdir={quoted}\n"
        f"python -m gan_jax.evaluate --workdir={quoted}\n"
        f"python -m gan_jax.diagnose --workdir={quoted}\n"
    )

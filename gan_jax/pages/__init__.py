"""Pages of HTML that tell of runs: one file each, which needs no other.

Whatever comes from users or files is escaped. A policy in the page's head forbids it to
load anything, and to run any script but our own.
"""

import base64
import html
import io
import os
import string
from pathlib import Path

_HERE = Path(__file__).parent


def fill(template: Path, **parts: str) -> str:
    """A page from its template, whose $names are replaced by HTML; `style` is ours."""
    style = (_HERE / "style.css").read_text()
    return string.Template(template.read_text()).substitute(style=style, **parts)


def escaped(text: str) -> str:
    """Text as HTML, its blanks and line breaks as single blanks."""
    return html.escape(" ".join(text.split()))


def facts(pairs) -> str:
    """Rows of a <dl>, of (name, text)."""
    rows = (f"<dt>{escaped(a)}</dt><dd>{escaped(b)}</dd>" for a, b in pairs)
    return "\n".join(rows)


def table(headers: list[str], rows: list[list[str]]) -> str:
    """A table of texts; a line break in one parts the main thing from the rest."""

    def cell(text):
        first, *rest = map(escaped, text.split("\n"))
        return f"<td>{first}{''.join(f'<small>{line}</small>' for line in rest)}</td>"

    # where a long header may be broken
    broken = [escaped(text).replace(".", ".<wbr>") for text in headers]
    heads = "".join(f'<th scope="col">{text}</th>' for text in broken)
    body = "\n".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return (
        f'<div class="wide" tabindex="0"><table>\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def image(png: bytes, alt: str, **data: str) -> str:
    """A picture, with the text that stands for it; data: attributes for a script."""
    own = "".join(f' data-{name}="{escaped(text)}"' for name, text in data.items())
    content = base64.b64encode(png).decode()
    return f'<img alt="{escaped(alt)}"{own} src="data:image/png;base64,{content}">'


def figure(png: bytes, caption: list[str]) -> str:
    """A picture with its caption, lines whose first one is a title."""
    title, *rest = caption
    said = "".join(f"<span>{escaped(line)}</span>" for line in rest)
    return (
        f'<figure><div class="wide" tabindex="0">{image(png, title)}</div>'
        f"<figcaption>{escaped(title)}{said}</figcaption></figure>"
    )


def as_png(picture) -> bytes:
    """The file of an image of Pillow's."""
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def replace(file: Path, content: bytes) -> None:
    """Writes a whole file at once, in the place of an older one; raises OSError."""
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    unfinished.write_bytes(content)
    os.replace(unfinished, file)

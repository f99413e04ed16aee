"""What is said in answer to a question about a run."""

from collections.abc import Callable
from typing import Literal, NamedTuple


class Offer(NamedTuple):
    """A change of the config, as one would type it, and what it does."""

    changes: str
    why: str


class Finding(NamedTuple):
    """name:    of the trouble that was looked for: "D has won"
    verdict: "alarm"; "note", which is worth a look; "fine"; "unknown", where the logs
             say too little
    seen:    the evidence, or why there is none
    meaning: what it may mean; empty where all is fine
    against: evidence -> what this package has against it, `Offer`s; None where all is
             fine
    """

    name: str
    verdict: Literal["alarm", "note", "fine", "unknown"]
    seen: str
    meaning: str = ""
    against: Callable[..., tuple[Offer, ...]] | None = None

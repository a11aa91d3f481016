"""Files that nobody reads half of: written beside their place, then moved there."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def beside(place: Path) -> Iterator[Path]:
    """A path to write to, which then replaces `place`; what lay there stays if writing fails.

    No kill leaves half a file; and two processes that share a sweep both write its report.

    Raises:
        OSError: naming `place`, if it cannot be written.
    """
    # the end of the name tells what kind of file it is
    scratch = place.with_name(f".{secrets.token_hex(6)}-{place.name}")
    try:
        yield scratch
        scratch.replace(place)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(place)) from error
    finally:
        scratch.unlink(missing_ok=True)

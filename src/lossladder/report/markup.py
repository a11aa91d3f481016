"""HTML and SVG in which nothing that a run's folder says can become markup."""

from html import escape


class Html(str):
    """Text that is markup already; every other text is escaped where it is put in."""

    __slots__ = ()


def tag(name: str, *inside: str, **attributes: object) -> Html:
    """An element.

    Args:
        name: its own.
        inside: texts and elements.
        attributes: `class_="wide"` -> `class="wide"`; None: left out.

    >>> tag("p", "a < b", tag("b", "!"), class_="note", title='"x"')
    '<p class="note" title="&quot;x&quot;">a &lt; b<b>!</b></p>'
    """
    pairs = (
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{''.join(pairs)}>{joined(*inside)}</{name}>")


def many(count: int, noun: str) -> str:
    """A number of things, in words.

    >>> many(1, "run"), many(2, "run")
    ('1 run', '2 runs')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def joined(*parts: str) -> Html:
    """Texts and elements, one after another."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))

"""Text from anybody's file, made fit to be shown: it must not drive a terminal, nor end a line of a script."""


def printable(text: str) -> str:
    """The text with all that is no printable character escaped: line ends, terminal controls, writing directions."""
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")

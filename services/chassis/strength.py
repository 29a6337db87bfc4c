"""Whether a configured secret can be guessed. Says what is wrong with it, never what it is."""

import re
from itertools import pairwise

LENGTH_MIN = 16
KINDS_MIN = 6
"""Different characters of a token, at least."""

KEY_KINDS_MIN = 8
"""Different bytes of a key, at least: 32 random ones have fewer with a chance below 10^-40."""

LEFT_MIN = 4

_COMMON = (
    "placeholder", "replacethis", "replaceme", "changethis", "changeme", "administrator", "yourtoken", "yoursecret",
    "password", "passwort", "operator", "example", "default", "changeit", "replace", "letmein", "welcome", "vicino",
    "secret", "change", "insert", "qwerty", "master", "token", "admin", "fixme", "value", "dummy", "random", "string",
    "please", "your", "this", "here", "pass", "todo", "test", "demo", "key", "now", "api", "foo", "bar", "baz", "xxx",
    "me", "my", "the", "abcdefghijklmnopqrstuvwxyz", "abcdefgh", "abcdef", "abcd", "abc", "01234567890123456789",
    "1234567890", "0123456789", "123456789", "12345678", "1234567", "123456", "12345", "1234", "123", "987654321",
)  # fmt: skip
_LOOK_ALIKE = str.maketrans("0134578@$!", "oieastbasi")


def weakness(text: str) -> str | None:
    """Why a token can be guessed; None when it cannot be, by its look."""
    if not text.strip():
        return "is empty"
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        return "has blanks or characters beyond ASCII: it could not travel in a header"
    if len(text) < LENGTH_MIN:
        return f"is too short: {LENGTH_MIN} characters at least"
    if len(set(text)) < KINDS_MIN or re.fullmatch(r"(.{1,8}?)\1+", text):
        return "repeats itself"
    if any(_left(form) < LEFT_MIN for form in (text.lower(), text.lower().translate(_LOOK_ALIKE))):
        return "is a placeholder"
    return None


def is_weak_key(key: bytes) -> bool:
    """Whether a key is not random by its look."""
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    return len(set(key)) < KEY_KINDS_MIN or len(steps) == 1


def _left(text: str) -> int:
    """How many characters are left without the words that placeholders are made of."""
    left = re.sub(r"[^a-z0-9]", "", text)
    for word in _COMMON:
        left = left.replace(word, "")
    return len(left)

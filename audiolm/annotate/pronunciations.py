"""English pronunciations for words that no dictionary has: names, compounds, inflections.

Guesses for forced alignment, where the transcript is known and a phone more or less hardly moves a word's edges.
Phones are those of CMUdict without stress, as PocketSphinx's English model has them.
"""

import re
from collections.abc import Callable

# Letters (a regular expression) to phones; at each position the first rule that matches is taken.
_RULES = {
    **{f"{v}(?=[bcdfghjklmnpstvz]e(?:$|s$|d$))": p for v, p in zip("aeiou", "EY IY AY OW UW".split(), strict=True)},
    "^ps": "S", "^kn": "N", "^wr": "R", "^gn": "N", "^rh": "R", "^x": "Z", "^y": "Y", "^e$": "IY", "^a$": "AH",
    "^o$": "OW", "eigh": "EY", "ough": "AO", "augh": "AO", "tion": "SH AH N", "sion": "ZH AH N", "cian": "SH AH N",
    "ture": "CH ER", "igh": "AY", "tch": "CH", "sch": "SH", "dge": "JH", "cia": "SH AH", "tia": "SH AH", "eau": "OW",
    "air": "EH R", "ous$": "AH S", "que$": "K", "gue$": "G", "are$": "EH R", "ire$": "AY ER", "ure$": "Y UH R",
    "ore$": "AO R", "ere$": "IH R", "age$": "IH JH", "ign$": "AY N", "eer": "IH R", "ear": "IH R", "oor": "AO R",
    "our": "AO R", "le$": "AH L", "es$": "Z", "ed$": "D", "mb$": "M", "ch": "CH", "sh": "SH", "th": "TH", "ph": "F",
    "gh": "G", "wh": "W", "ck": "K", "nk": "NG K", "ng": "NG", "qu": "K W", "ai": "EY", "ay": "EY", "au": "AO",
    "aw": "AO", "ea": "IY", "ee": "IY", "ei": "EY", "eu": "UW", "ew": "UW", "ey": "IY", "ie": "IY", "oa": "OW",
    "oe": "OW", "oi": "OY", "oy": "OY", "oo": "UW", "ou": "AW", "ow": "OW", "ui": "UW", "ue": "UW", "ar": "AA R",
    "er": "ER", "ir": "ER", "or": "AO R", "ur": "ER", "c(?=[eiy])": "S", "ge$": "JH", "g(?=[eiy])": "JH",
    **{2 * c: c.upper() for c in "bdfgklmnprstz"},
    "cc": "K", "e$": "", "y$": "IY", "o$": "OW", "i$": "IY", "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH",
    "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P",
    "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IH", "z": "Z",
}  # fmt: skip
_LETTERS = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY", "h": "EY CH", "i": "AY",
    "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N", "o": "OW", "p": "P IY", "q": "K Y UW",
    "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW", "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S",
    "y": "W AY", "z": "Z IY",
}  # fmt: skip
_RULE = re.compile("|".join(f"({letters})" for letters in _RULES))  # group i is rule i
_PHONES = list(_RULES.values())
_SIBILANTS = {"S", "Z", "SH", "ZH", "CH", "JH"}
_VOICELESS = {"P", "T", "K", "F", "TH"}


def guess(word: str, lookup: Callable[[str], str | None]) -> str | None:
    """Phones of a lower-case word that is not in the dictionary, separated by spaces.

    A possessive or plural takes its stem's pronunciation, a compound those of its two parts, a word without a vowel
    is spelt out, and any other is read by letter-to-sound rules.

    Args:
        lookup: the dictionary: word -> phones, or None.

    Returns:
        None for a word with characters other than a to z and apostrophes.

    >>> guess("yknow", {}.get), guess("bbc", {}.get), guess("dave's", {"dave": "D EY V"}.get)
    ('Y K N OW', 'B IY B IY S IY', 'D EY V Z')
    """
    if not re.fullmatch(r"[a-z']*[a-z][a-z']*", word):
        return None
    plural = re.fullmatch(r"(.+?)(?:'s|s'|s)", word)
    if plural and (phones := lookup(plural[1])):
        last = phones.split()[-1]
        return f"{phones} {'IH Z' if last in _SIBILANTS else 'S' if last in _VOICELESS else 'Z'}"
    letters = word.replace("'", "")
    if not re.search("[aeiouy]", letters):
        return " ".join(_LETTERS[letter] for letter in letters)
    for cut in range(len(letters) - 3, 2, -1):
        first, second = lookup(letters[:cut]), lookup(letters[cut:])
        if first and second:
            return f"{first} {second}"
    phones = (_PHONES[found.lastindex - 1] for found in _RULE.finditer(letters))
    return " ".join(filter(None, phones))

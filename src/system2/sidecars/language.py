"""Languages by their tags (BCP 47): which one a person reads, and what it is called. Knows nothing about models."""

from __future__ import annotations

import unicodedata

DEFAULT = "en"
LONGEST = 35  # characters of a tag, RFC 5646 section 4.4.1
HEADER, ITEMS = 1000, 50  # characters and entries of an Accept-Language header that are read

NAMES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "da": "Danish",
    "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian",
    "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian",
    "lv": "Latvian", "ms": "Malay", "nb": "Norwegian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian",
    "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai",
    "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Simplified Chinese",
    "pt-br": "Brazilian Portuguese", "zh-hant": "Traditional Chinese", "zh-hk": "Traditional Chinese",
    "zh-mo": "Traditional Chinese", "zh-tw": "Traditional Chinese",
}  # fmt: skip
"""English names, which models know best; the longest tag that fits counts."""

SCRIPTS = {
    "ar": "ARABIC", "bg": "CYRILLIC", "bn": "BENGALI", "el": "GREEK", "fa": "ARABIC", "he": "HEBREW",
    "hi": "DEVANAGARI", "ja": "CJK HIRAGANA KATAKANA", "ko": "HANGUL CJK", "ru": "CYRILLIC",
    "sr": "CYRILLIC LATIN", "ta": "TAMIL", "te": "TELUGU", "th": "THAI", "uk": "CYRILLIC", "ur": "ARABIC",
    "zh": "CJK",
}  # fmt: skip
"""Scripts other than the Latin one, as Unicode's names of their letters begin."""


def tag(text: str) -> str:
    """A language tag in its usual spelling: `zh-cn` becomes `zh-CN`. Raises ValueError where it is none."""
    parts = text.strip().replace("_", "-").split("-")
    fine = len(text) <= LONGEST and all(
        part.isascii() and part.isalnum() and len(part) <= 8 for part in parts
    )
    if not fine or not (parts[0].isalpha() and len(parts[0]) in (2, 3)):
        raise ValueError(
            f"{text[:40]!r} is not a language tag; expected one such as en, de or zh-CN (BCP 47)"
        )
    rest = [
        part.upper() if len(part) == 2 else part.title() if len(part) == 4 else part.lower()
        for part in parts[1:]
    ]
    return "-".join([parts[0].lower(), *rest])


def name(text: str) -> str:
    """What a language is called in English; a tag nobody knows is named by itself. Raises ValueError."""
    known = tag(text)
    parts = known.lower().split("-")
    for n in range(len(parts), 0, -1):
        if found := NAMES.get("-".join(parts[:n])):
            return found
    return f"the language with the tag {known}"


def accepted(header: str) -> str | None:
    """The language an Accept-Language header likes best; None: it names none. Never raises."""
    best, most = None, 0.0
    for item in header[:HEADER].split(",")[:ITEMS]:
        range_, *options = item.split(";")
        weight = 1.0
        for option in options:
            key, _, value = option.partition("=")
            if key.strip().lower() == "q":
                weight = quality(value.strip())
        try:
            found = tag(range_)
        except ValueError:
            continue
        if weight > most:
            best, most = found, weight
    return best


def quality(text: str) -> float:
    """A weight of RFC 9110, from 0 to 1 in at most three decimals; 0 where it is none."""
    plain = text.isascii() and text.replace(".", "", 1).isdigit() and len(text) <= 5
    weight = float(text) if plain else 0.0
    return weight if weight <= 1 else 0.0


def chosen(asked: str | None, locale: str | None = None, header: str | None = None) -> str:
    """The language of summaries: what the request asks, else the key's locale, else the header's, else English.

    Raises ValueError where the request or the locale names none.
    """
    for text in (asked, locale):
        if text:
            return tag(text)
    return accepted(header or "") or DEFAULT


def fits(text: str, language: str) -> bool:
    """Are most letters of the text in a script of this language? True where it has hardly any letters."""
    scripts = SCRIPTS.get(tag(language).split("-")[0], "LATIN").split()
    letters = [c for c in text if c.isalpha()]
    own = sum(unicodedata.name(c, "").startswith(tuple(scripts)) for c in letters)
    return len(letters) < 8 or own * 3 >= len(letters)

"""The keyboard layouts that are offered, with what Windows calls them."""

from __future__ import annotations

from infinibay.unattended.installation import Keyboard

# Layout (and variant) of X to language and layout of Windows. A name alone brings the input method of its language.
_WINDOWS = {
    "us": "0409:00000409",
    "us intl": "0409:00020409",
    "us dvorak": "0409:00010409",
    "gb": "0809:00000809",
    "ie": "1809:00001809",
    "ca": "1009:00000409",
    "ca fr": "0c0c:00001009",
    "de": "0407:00000407",
    "at": "0c07:00000407",
    "ch": "0807:00000807",
    "ch fr": "100c:0000100c",
    "fr": "040c:0000040c",
    "be": "080c:0000080c",
    "nl": "0413:00000413",
    "es": "0c0a:0000040a",
    "latam": "080a:0000080a",
    "pt": "0816:00000816",
    "br": "0416:00000416",
    "it": "0410:00000410",
    "dk": "0406:00000406",
    "no": "0414:00000414",
    "se": "041d:0000041d",
    "fi": "040b:0000040b",
    "is": "040f:0000040f",
    "pl": "0415:00000415",
    "cz": "0405:00000405",
    "sk": "041b:0000041b",
    "hu": "040e:0000040e",
    "ro": "0418:00010418",
    "si": "0424:00000424",
    "hr": "041a:0000041a",
    "bg": "0402:00030402",
    "gr": "0408:00000408",
    "tr": "041f:0000041f",
    "ru": "0419:00000419",
    "ua": "0422:00020422",
    "lt": "0427:00010427",
    "lv": "0426:00020426",
    "ee": "0425:00000425",
    "il": "040d:0002040d",
    "jp": "ja-JP",
    "kr": "ko-KR",
    "cn": "zh-CN",
    "tw": "zh-TW",
}

LAYOUTS = frozenset(name for name in _WINDOWS if " " not in name)


def windows_input_locale(keyboard: Keyboard) -> str | None:
    """Windows' name for a keyboard; None when it has none."""
    return _WINDOWS.get(f"{keyboard.layout} {keyboard.variant}".rstrip())

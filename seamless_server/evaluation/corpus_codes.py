"""How public corpora spell languages."""

from __future__ import annotations

from collections.abc import Mapping

from seamless_server.errors import LanguageError
from seamless_server.languages import lookup

_FLEURS: Mapping[str, str] = {
    "afr": "af_za", "amh": "am_et", "arb": "ar_eg", "asm": "as_in", "ast": "ast_es",
    "azj": "az_az", "bel": "be_by", "ben": "bn_in", "bos": "bs_ba", "bul": "bg_bg",
    "cat": "ca_es", "ceb": "ceb_ph", "ces": "cs_cz", "ckb": "ckb_iq", "cmn": "cmn_hans_cn",
    "cym": "cy_gb", "dan": "da_dk", "deu": "de_de", "ell": "el_gr", "eng": "en_us",
    "est": "et_ee", "fin": "fi_fi", "fra": "fr_fr", "fuv": "ff_sn", "gaz": "om_et",
    "gle": "ga_ie", "glg": "gl_es", "guj": "gu_in", "heb": "he_il", "hin": "hi_in",
    "hrv": "hr_hr", "hun": "hu_hu", "hye": "hy_am", "ibo": "ig_ng", "ind": "id_id",
    "isl": "is_is", "ita": "it_it", "jav": "jv_id", "jpn": "ja_jp", "kam": "kam_ke",
    "kan": "kn_in", "kat": "ka_ge", "kaz": "kk_kz", "kea": "kea_cv", "khk": "mn_mn",
    "khm": "km_kh", "kir": "ky_kg", "kor": "ko_kr", "lao": "lo_la", "lit": "lt_lt",
    "ltz": "lb_lu", "lug": "lg_ug", "luo": "luo_ke", "lvs": "lv_lv", "mal": "ml_in",
    "mar": "mr_in", "mkd": "mk_mk", "mlt": "mt_mt", "mya": "my_mm", "nld": "nl_nl",
    "nob": "nb_no", "npi": "ne_np", "nya": "ny_mw", "oci": "oc_fr", "ory": "or_in",
    "pan": "pa_in", "pbt": "ps_af", "pes": "fa_ir", "pol": "pl_pl", "por": "pt_br",
    "ron": "ro_ro", "rus": "ru_ru", "slk": "sk_sk", "slv": "sl_si", "sna": "sn_zw",
    "snd": "sd_in", "som": "so_so", "spa": "es_419", "srp": "sr_rs", "swe": "sv_se",
    "swh": "sw_ke", "tam": "ta_in", "tel": "te_in", "tgk": "tg_tj", "tgl": "fil_ph",
    "tha": "th_th", "tur": "tr_tr", "ukr": "uk_ua", "urd": "ur_pk", "uzn": "uz_uz",
    "vie": "vi_vn", "xho": "xh_za", "yor": "yo_ng", "yue": "yue_hant_hk", "zlm": "ms_my",
    "zsm": "ms_my", "zul": "zu_za",
}  # fmt: skip
"""FLEURS' configurations by this model's codes."""

_COMMON_VOICE_OTHERWISE: Mapping[str, str] = {
    "cmn": "zh-CN", "cmn_Hant": "zh-TW", "eus": "eu", "gle": "ga-IE", "hye": "hy-AM",
    "mai": "mai", "nno": "nn-NO", "npi": "ne-NP", "pan": "pa-IN", "swe": "sv-SE", "tgl": "tl",
    "yue": "yue",
}  # fmt: skip
"""Where Common Voice (and so CoVoST and CVSS) does not use the bare two-letter code."""


def fleurs_code(lang: str) -> str:
    """FLEURS' name of a language, such as ``en_us``.

    Raises:
        LanguageError: unknown, or not in FLEURS.
    """
    lookup(lang)
    if lang not in _FLEURS:
        raise LanguageError(f"FLEURS has no recordings in '{lang}'")
    return _FLEURS[lang]


def common_voice_code(lang: str) -> str:
    """Common Voice's name of a language, such as ``zh-CN``; used by CoVoST 2 and CVSS as well.

    Raises:
        LanguageError: unknown, or not in Common Voice.
    """
    lookup(lang)
    if lang in _COMMON_VOICE_OTHERWISE:
        return _COMMON_VOICE_OTHERWISE[lang]
    if lang not in _FLEURS:
        raise LanguageError(f"Common Voice has no recordings in '{lang}'")
    return _FLEURS[lang].split("_")[0]

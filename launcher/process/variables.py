"""Which environment variables reach which process.

People set variables for their other programs. Some of them would stop Easel, so :data:`RULES` and :func:`choose_proxies` decide
for every one. All other variables reach every process.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from dataclasses import dataclass
from typing import Callable, Mapping, Optional
from urllib.parse import urlsplit

SETUP = "set-up"
"""uv, and the environment's Python while it is being made and tried."""
PIP = "pip"
"""The pip of whatever Python the launcher found; it only fetches uv."""
STUDIO = "studio"
"""app.py. The worker inherits what it has, and drops the proxies: see :func:`engine.offline.disable_downloads`."""
TESTS = "tests"
"""pytest, which starts set-ups and studios itself."""

INSTALLERS = (SETUP, PIP, TESTS)
ALL = (SETUP, PIP, STUDIO, TESTS)

LOOPBACK = ("localhost", "127.0.0.1", "::1")
UNUSABLE_PROXY = "EASEL_UNUSABLE_PROXY"
"""Tells the studio that the person wants a proxy which it cannot download through: its address, without name and password."""


def keep(value: str) -> Optional[str]:
    return value


def keep_certificates(path: str) -> Optional[str]:
    """None for a file that is gone or holds no certificates."""
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        return None
    return path


def keep_folders(paths: str) -> Optional[str]:
    """None if none of the folders is there."""
    return paths if any(os.path.isdir(path) for path in paths.split(os.pathsep)) else None


def keep_libraries(paths: str) -> Optional[str]:
    """None if one of the files is not there: the system would complain at the start of every program."""
    files = [path for path in re.split(r"[ :]", paths) if path]
    return paths if all(os.path.isfile(path) for path in files if os.sep in path) else None


def keep_matching(pattern: str) -> Callable[[str], Optional[str]]:
    """None for a value that ``pattern`` does not match as a whole."""
    return lambda value: value if re.fullmatch(pattern, value) else None


@dataclass(frozen=True)
class Rule:
    """Variables whose upper-case name matches ``names`` as a whole reach the processes ``reach``, as ``change`` leaves them."""

    names: str
    reach: tuple[str, ...]
    reason: str
    change: Callable[[str], Optional[str]] = keep


RULES = (
    Rule(
        r"PYTHON(UNBUFFERED|DONTWRITEBYTECODE|PYCACHEPREFIX|FAULTHANDLER|HASHSEED|NOUSERSITE)",
        ALL,
        "They change neither which modules Python finds nor what these do.",
    ),
    Rule(
        r"PYTHON.*|__PYVENV_LAUNCHER__|VIRTUAL_ENV.*|CONDA_PREFIX",
        (),
        "They point Python to another environment's modules (PYTHONHOME, PYTHONPATH), hide Easel's own (PYTHONSAFEPATH) or make "
        "it stricter than its libraries are (PYTHONWARNINGS).",
    ),
    Rule(r"PIP_(CERT)", INSTALLERS, "A stale path would stop pip, and uv, which gets it as SSL_CERT_FILE.", keep_certificates),
    Rule(
        r"PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST|CLIENT_CERT|PROXY|(DEFAULT_)?TIMEOUT|RETRIES|CACHE_DIR"
        r"|NO_CACHE_DIR|KEYRING_PROVIDER|CONFIG_FILE)",
        INSTALLERS,
        "They say where packages come from and how to get there.",
    ),
    Rule(r"PIP_.*", (), "They say where pip installs and what it refuses (PIP_TARGET, PIP_REQUIRE_VIRTUALENV); Easel says that."),
    Rule(
        r"UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|INDEX_.+_(USERNAME|PASSWORD)|FIND_LINKS|OFFLINE|CACHE_DIR|NO_CACHE"
        r"|HTTP_.+|REQUEST_TIMEOUT|CONCURRENT_.+|SYSTEM_CERTS|NATIVE_TLS|INSECURE_HOST|KEYRING_PROVIDER|LINK_MODE|CONFIG_FILE"
        r"|NO_CONFIG|PYTHON_(INSTALL_DIR|INSTALL_MIRROR|CACHE_DIR|DOWNLOADS|DOWNLOADS_JSON_URL)|INSTALLER_GITHUB_BASE_URL)",
        INSTALLERS,
        "They say where packages and Pythons come from and how to get there, and where uv keeps them.",
    ),
    Rule(r"UV_.*", (), "They choose other packages, versions and places (UV_EXCLUDE_NEWER, UV_REQUIRE_HASHES, UV_PYTHON)."),
    Rule(
        r"SSL_CERT_FILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE",
        ALL,
        "Company networks need them; with a stale path no TLS client can be created, and Gradio creates one at import.",
        keep_certificates,
    ),
    Rule(r"SSL_CERT_DIR", ALL, "As SSL_CERT_FILE.", keep_folders),
    Rule(r"SSLKEYLOGFILE", (), "It has every connection's keys written to a file; where that fails, so does the connection."),
    Rule(r"GRADIO_.*|FORWARDED_ALLOW_IPS", (), "They serve other Gradio apps elsewhere, or let others in."),
    Rule(r"EASEL_PASSWORD", (STUDIO,), "Only the page asks for it; app.py takes it out before it starts processes of its own."),
    Rule(
        r"SPACES?_.*|WEB_CONCURRENCY|UVICORN_.*",
        (),
        "They tell Gradio that it runs on a hub's servers, or its server how many processes to start.",
    ),
    Rule(
        r"HF_(TOKEN|TOKEN_PATH|ENDPOINT|HOME|HUB_CACHE|HUB_OFFLINE|XET_CACHE)|HUGGING_FACE_HUB_TOKEN",
        ALL,
        "They say who downloads, from where, or not at all, and where other programs keep what they have downloaded.",
    ),
    Rule(
        r"(HF|HUGGINGFACE|TRANSFORMERS|DIFFUSERS|ACCELERATE|PEFT)_.*|USE_(TORCH|TF|FLAX|JAX)",
        (),
        "They make libraries stricter or chattier, and some values stop their import (HF_HUB_DOWNLOAD_TIMEOUT, "
        "DIFFUSERS_VERBOSITY).",
    ),
    Rule(
        r"PYTORCH_((CUDA|HIP)_)?ALLOC_CONF",
        ALL,
        "Graphics cards with little memory need it; PyTorch does not start with a value that it cannot read.",
        keep_matching(
            r"((backend:\w+|(max_split_size_mb|roundup_power2_divisions):\d+|garbage_collection_threshold:0?\.\d+"
            r"|expandable_segments:(True|False))(,|$))*"
        ),
    ),
    Rule(
        r"PYTORCH_MPS_(HIGH|LOW)_WATERMARK_RATIO",
        ALL,
        "As PYTORCH_ALLOC_CONF, for Apple's graphics processors.",
        keep_matching(r"\d+(\.\d+)?"),
    ),
    Rule(r"PYTORCH_ENABLE_MPS_FALLBACK|TORCH_EXTENSIONS_DIR|TORCHINDUCTOR_CACHE_DIR", ALL, "What they ask for does no harm."),
    Rule(
        r"(PY)?TORCH.*|ATEN_.*",
        (),
        "Some values stop the import of PyTorch (TORCH_LOGS), others change what it computes or have it run the code in a "
        "checkpoint (TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD).",
    ),
    Rule(
        r"(LOCAL_|GROUP_)?(RANK|WORLD_SIZE)|MASTER_(ADDR|PORT)",
        (),
        "They are of programs that compute on several computers at once.",
    ),
    Rule(
        r"(ONEDNN|DNNL|MKLDNN)_(VERBOSE.*|JIT_DUMP|JIT_PROFILE)|MKL_VERBOSE|OPENVINO_LOG_LEVEL|OV_.*|(KMP|OMP)_(SETTINGS|DISPLAY_.*)",
        (),
        "They have libraries print lines about every operation, to where a command's answer or another program's protocol goes.",
    ),
    Rule(r"LD_(PRELOAD|AUDIT)", ALL, "Somebody may need another allocator.", keep_libraries),
    Rule(r"(CLICOLOR_)?FORCE_COLOR", (TESTS,), "uv's lines are read, and colours are signs in them."),
)

CARRIED = (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_CERT", "SSL_CERT_FILE"))
"""What people have set for pip is meant for every installer."""

FIXED = {
    "PIP_USER": "0",
    "PIP_REQUIRE_VIRTUALENV": "0",  # pip's configuration file may ask for it too
    "PYTHONUTF8": "1",
    "PYTHONIOENCODING": "utf-8",
    "NO_COLOR": "1",
}

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_NO_PROXY = re.compile(r"\*|(https?://)?[\w.*-]+(:\d{1,4})?(/\d+)?", re.ASCII)
_PROXY = re.compile(r"([a-z][a-z0-9+.-]*://)?([!-.0-?A-~]*@)?([a-z0-9][a-z0-9.-]*|\[[0-9a-f:.]+\])(:\d+)?/?", re.ASCII | re.I)
"""Scheme, name and password, host, port."""


def choose_variables(process: str, variables: Mapping[str, str], **more: str) -> dict[str, str]:
    """The environment of ``process``, from that of the person who starts Easel. ``more`` is added as it is.

    Choosing for the studio a second time changes nothing.
    """
    chosen = {name: value for name, given in variables.items() if (value := _apply_rules(process, name, given)) is not None}
    for ours, theirs in CARRIED:
        if ours in chosen:
            chosen.setdefault(theirs, chosen[ours])
    return {"UV_HTTP_TIMEOUT": "60", **chosen, **choose_proxies(process, variables), **FIXED, **more}


def _apply_rules(process: str, name: str, value: str) -> Optional[str]:
    if name.upper() in _PROXIES:
        return None
    rule = next((rule for rule in RULES if re.fullmatch(rule.names, name.upper())), None)
    if rule is None:
        return value
    return rule.change(value) if process in rule.reach else None


def choose_proxies(process: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The proxy variables for ``process``, in lower case, which every program reads.

    uv knows SOCKS. pip, and the studio's HTTP clients, do not: httpx raises ImportError when it is only imported with such a
    proxy, and urllib would speak HTTP to it. This computer itself is always reached directly.
    """
    allowed = ("http", "https", "socks4", "socks4a", "socks5", "socks5h") if process == SETUP else ("http", "https")
    fallback = _find(variables, "all_proxy")
    given = {name: _find(variables, name) or fallback for name in ("http_proxy", "https_proxy")}
    chosen = {name: url for name, url in given.items() if url and _find_scheme(url) in allowed}
    chosen["no_proxy"] = ",".join(_bypasses(_find(variables, "no_proxy")))
    if process in (STUDIO, TESTS) and given["https_proxy"] and "https_proxy" not in chosen:
        chosen[UNUSABLE_PROXY] = re.sub(r"//[^/@]*@", "//", given["https_proxy"])
    return chosen


def _find(variables: Mapping[str, str], name: str) -> str:
    """A variable in lower or, failing that, upper case; ``socks`` is what GNOME writes for ``socks5``."""
    value = (variables.get(name) or variables.get(name.upper()) or "").strip()
    return re.sub(r"^socks://", "socks5://", value, flags=re.I)


def _find_scheme(url: str) -> str:
    """The scheme of a proxy's address, ``http`` if it has none; empty if it is not an address."""
    found = _PROXY.fullmatch(url)
    if found is None:
        return ""
    try:
        parts = urlsplit(url if found.group(1) else f"http://{url}")  # raises ValueError for a wrong IPv6 address, as does .port
        return parts.scheme if parts.port != 0 else ""
    except ValueError:
        return ""


def _bypasses(no_proxy: str) -> list[str]:
    """The entries of NO_PROXY that every client understands, and this computer. httpx fails on ``[::1]`` and ``::1/128``."""
    entries = [entry.strip().strip("[]") for entry in no_proxy.replace(" ", ",").split(",")]
    return list(dict.fromkeys([*(entry for entry in entries if _is_bypass(entry)), *LOOPBACK]))


def _is_bypass(entry: str) -> bool:
    try:
        return bool(_NO_PROXY.fullmatch(entry) or ipaddress.IPv6Address(entry))
    except ValueError:
        return False

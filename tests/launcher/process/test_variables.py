"""What of the person's environment reaches which process."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.process.variables import (
    ALL,
    LOOPBACK,
    PIP,
    RULES,
    SETUP,
    STUDIO,
    TESTS,
    UNUSABLE_PROXY,
    choose_proxies,
    choose_variables,
)

HTTP, SOCKS = "http://me:secret@proxy.example:3128", "socks5://me:secret@127.0.0.1:1080"


@pytest.mark.parametrize(
    "name", ["PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONWARNINGS", "VIRTUAL_ENV", "PIP_TARGET", "UV_REQUIRE_HASHES"]
)
@pytest.mark.parametrize("process", ALL)
def test_what_points_elsewhere_reaches_nobody(process: str, name: str) -> None:
    assert name not in choose_variables(process, {name: "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TORCH_LOGS", "nonsense"),
        ("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1"),
        ("PYTORCH_JIT", "0"),
        ("PYTORCH_CUDA_ALLOC_CONF", "nonsense"),
        ("PYTORCH_MPS_HIGH_WATERMARK_RATIO", "much"),
        ("ATEN_CPU_CAPABILITY", "nonsense"),
        ("DIFFUSERS_VERBOSITY", "nonsense"),
        ("TRANSFORMERS_VERBOSITY", "nonsense"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "soon"),
        ("HF_HUB_ENABLE_HF_TRANSFER", "1"),
        ("ACCELERATE_MIXED_PRECISION", "nonsense"),
        ("USE_TORCH", "0"),
        ("WORLD_SIZE", "2"),
        ("SPACE_ID", "a/b"),
        ("WEB_CONCURRENCY", "4"),
        ("UVICORN_PORT", "1"),
        ("LD_PRELOAD", "/gone.so"),
        ("LD_PRELOAD", f"{sys.executable} /gone.so"),
    ],
)
def test_what_stops_the_libraries_does_not_reach_the_studio(name: str, value: str) -> None:
    assert name not in choose_variables(STUDIO, {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CUDA_VISIBLE_DEVICES", "1"),
        ("OMP_NUM_THREADS", "4"),
        ("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True,max_split_size_mb:128"),
        ("PYTORCH_ALLOC_CONF", "garbage_collection_threshold:0.8"),
        ("PYTORCH_MPS_HIGH_WATERMARK_RATIO", "0.0"),
        ("HF_TOKEN", "mine"),
        ("HF_HUB_OFFLINE", "1"),
        ("LD_PRELOAD", os.path.realpath("/bin/sh")),
        ("LD_PRELOAD", "libjemalloc.so.2"),
        ("HOME", "/gone"),
        ("TZ", "Nowhere/City"),
    ],
)
def test_what_people_set_for_their_computer_reaches_the_studio(name: str, value: str) -> None:
    assert choose_variables(STUDIO, {name: value})[name] == value


def test_pip_may_install_outside_an_environment_whatever_its_settings_say() -> None:
    assert choose_variables(PIP, {"PIP_REQUIRE_VIRTUALENV": "1"})["PIP_REQUIRE_VIRTUALENV"] == "0"


def test_where_packages_come_from_reaches_the_installers_alone() -> None:
    variables = {"PIP_INDEX_URL": "https://mirror.example/simple", "UV_CACHE_DIR": "/cache"}
    for process in (SETUP, PIP, TESTS):
        chosen = choose_variables(process, variables)
        assert variables.items() <= chosen.items() and chosen["UV_DEFAULT_INDEX"] == variables["PIP_INDEX_URL"]
    assert not variables.keys() & choose_variables(STUDIO, variables).keys()


def test_certificates_reach_everybody_while_they_are_there(tmp_path: Path) -> None:
    no_certificate = tmp_path / "no-certificate.pem"
    no_certificate.write_text("gone")
    there = ssl.get_default_verify_paths().cafile
    for process in ALL:
        for path in (str(no_certificate), "/gone.pem", str(tmp_path)):
            assert "SSL_CERT_FILE" not in choose_variables(process, {"SSL_CERT_FILE": path, "PIP_CERT": path})
        assert there is None or choose_variables(process, {"SSL_CERT_FILE": there})["SSL_CERT_FILE"] == there


def test_socks_reaches_uv_alone_and_the_studio_knows_that_it_cannot() -> None:
    for variables in (
        {"ALL_PROXY": SOCKS},
        {"all_proxy": SOCKS.replace("socks5", "socks")},
        {"HTTPS_PROXY": SOCKS, "ALL_PROXY": HTTP},
    ):
        assert choose_proxies(SETUP, variables)["https_proxy"] == SOCKS
        assert "https_proxy" not in choose_proxies(PIP, variables)
        chosen = choose_proxies(STUDIO, variables)
        assert "https_proxy" not in chosen and chosen[UNUSABLE_PROXY] == "socks5://127.0.0.1:1080"


def test_an_http_proxy_reaches_everybody_also_from_all_proxy() -> None:
    for process in ALL:
        chosen = choose_proxies(process, {"ALL_PROXY": HTTP, "http_proxy": "other.example:8080"})
        assert (chosen["http_proxy"], chosen["https_proxy"]) == ("other.example:8080", HTTP)
        assert UNUSABLE_PROXY not in chosen


def test_rules_are_reached_and_give_a_reason() -> None:
    for rule in RULES:
        assert rule.reason.endswith(".") and set(rule.reach) <= set(ALL)
        re.compile(rule.names)


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
ADDRESSES = st.sampled_from(["::1", "[::1]", "::1/128", "fe80::/10", "[::1]:80", "10.0.0.0/8", ".corp", "*", "h:80", "http://h"])


@given(st.lists(TEXTS | ADDRESSES).map(",".join), st.lists(TEXTS | st.sampled_from([HTTP, SOCKS, "::", "http://[", "h:99999"])))
def test_httpx_takes_whatever_is_left_and_this_computer_is_never_asked_for(no_proxy: str, proxies: list[str]) -> None:
    import httpx
    from httpx._utils import get_environment_proxies

    names = ("HTTP_PROXY", "https_proxy", "ALL_PROXY")
    chosen = choose_variables(STUDIO, {"NO_PROXY": no_proxy, **dict(zip(names, proxies, strict=False))})
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
            patch.delenv(name, raising=False)
            patch.delenv(name.lower(), raising=False)
            if name.lower() in chosen:
                patch.setenv(name.lower(), chosen[name.lower()])
        patterns = get_environment_proxies()
        for pattern, proxy in patterns.items():
            httpx.URL(pattern)
            assert proxy is None or httpx.Proxy(proxy).url.scheme in ("http", "https")
    assert set(LOOPBACK) <= set(chosen["no_proxy"].split(","))
    assert choose_variables(STUDIO, chosen) == chosen, "choosing again changes nothing"


def test_the_worker_has_no_proxy() -> None:
    code = "import os, engine.offline as o; o.disable_downloads(); print([n for n in os.environ if n.lower() in o.PROXIES])"
    variables = {"HTTPS_PROXY": HTTP, "http_proxy": HTTP, UNUSABLE_PROXY: SOCKS}
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout.strip() == "[]", done.stderr

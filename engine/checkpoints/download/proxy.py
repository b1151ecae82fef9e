"""The proxy for a link, from HTTP_PROXY, HTTPS_PROXY and NO_PROXY, or from the system's settings."""

from __future__ import annotations

import base64
import os
import urllib.parse
import urllib.request
from dataclasses import dataclass, field

from engine.checkpoints.download.network_errors import NetworkError
from engine.errors import DownloadError


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """An HTTP proxy. ``authorization`` is the value of Proxy-Authorization, "" without a user name."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of each request to the proxy."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def find_proxy(scheme: str, host: str, port: int) -> Proxy | None:
    """The proxy for this address; None for a direct connection. Raises NetworkError if the proxy is not supported."""
    proxies = urllib.request.getproxies()
    url = proxies.get(scheme) or proxies.get("all", "")
    if not url or urllib.request.proxy_bypass(host if ":" in host else f"{host}:{port}"):
        return None
    try:
        parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
        proxy_host, proxy_port = parts.hostname or "", parts.port or 80
    except ValueError as error:
        raise NetworkError(_describe_unusable(url, "it is not an address")) from error
    if parts.scheme != "http" or not proxy_host:
        raise NetworkError(_describe_unusable(url, "it is not an HTTP proxy"))
    login = f"{urllib.parse.unquote(parts.username or '')}:{urllib.parse.unquote(parts.password or '')}"
    authorization = f"Basic {base64.b64encode(login.encode()).decode()}" if parts.username else ""
    return Proxy(host=proxy_host, port=proxy_port, authorization=authorization)


def check_proxy(url: str, name: str) -> None:
    """Raises DownloadError if the proxy for ``url`` is not supported; bypassing it would reveal the user's address."""
    proxy = os.environ.get("EASEL_UNUSABLE_PROXY")
    if proxy and not urllib.request.proxy_bypass(urllib.parse.urlsplit(url).hostname or ""):
        raise DownloadError(
            f"“{name}” was not downloaded: Easel cannot use this computer's proxy ({proxy}). Set HTTPS_PROXY to the "
            "address of an HTTP proxy (http://host:port) and start Easel again, or download the file with a browser and put "
            "it into “models”."
        )


def _describe_unusable(url: str, why: str) -> str:
    shown = url.rpartition("@")[2]  # without user name and password
    return (
        f"Easel cannot use this computer's proxy “{shown}”: {why}. Set HTTPS_PROXY to the address of an HTTP proxy "
        "(http://host:port) and start Easel again."
    )

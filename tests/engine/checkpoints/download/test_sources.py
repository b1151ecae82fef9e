"""What a pasted text means, and the list of known checkpoints."""

from __future__ import annotations

import re

import pytest

from engine.checkpoints.download import hub, sources
from engine.checkpoints.download.sources import DownloadSource, read_link, read_offers
from engine.checkpoints.families import BY_NAME
from engine.errors import DownloadError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("owner/name", DownloadSource(repository="owner/name")),
        (" owner/name/unet/a.safetensors ", DownloadSource(repository="owner/name", file="unet/a.safetensors")),
        ("https://huggingface.co/owner/name", DownloadSource(repository="owner/name")),
        ("https://huggingface.co/o/n/blob/main/a%20b.ckpt", DownloadSource(repository="o/n", file="a b.ckpt")),
        (
            "https://huggingface.co/o/n/resolve/v1/a.ckpt?download=true",
            DownloadSource(repository="o/n", file="a.ckpt", revision="v1"),
        ),
        ("https://example.org/files/a.safetensors", DownloadSource(link="https://example.org/files/a.safetensors")),
    ],
)
def test_links_and_hub_names_are_understood(text: str, wanted: DownloadSource) -> None:
    assert read_link(text) == wanted


@pytest.mark.parametrize("text", ["", "name", "../../etc/passwd", "a b/c", "file:///etc/passwd", "owner//x", "o/n/../../x"])
def test_what_is_neither_is_said(text: str) -> None:
    with pytest.raises(DownloadError, match="neither a link nor a hub name"):
        read_link(text)


@pytest.mark.parametrize(
    "link",
    [
        "http://", "https:///a.ckpt", "http://[::1", "http://[::1]:x/a", "http://a:99999/b", "http://a:0/b", "HTTP://a:-1/", "http://.../a",
        f"http://{'a' * 70}.example/b", "http://a.example/" + "a" * 10_000, "http://a.example/\ud800.ckpt", "http://\ud800.example/a.ckpt",
        "https://me:secret@a.example/b.ckpt",
    ],
)  # fmt: skip
def test_an_odd_link_is_a_sentence(link: str) -> None:
    for take in (read_link, lambda text: hub.look(DownloadSource(link=text))):
        with pytest.raises(DownloadError, match=r"not a valid address|user name") as raised:
            take(link)
        assert len(str(raised.value)) < 400 and "secret" not in str(raised.value)
        str(raised.value).encode()


@pytest.mark.parametrize("name", ["..", "a/../b", "a b/c", "-a/b", "a/b/c", "a" * 100 + "/b", "a--b/c", "a/b.git"])
def test_an_odd_repository_is_a_sentence(name: str) -> None:
    with pytest.raises(DownloadError, match="not the name of a repository"):
        hub.look(DownloadSource(repository=name))


def test_a_link_never_names_a_file_outside_the_folder() -> None:
    assert DownloadSource(link="https://example.org/a/..%2F..%2Fevil.ckpt").name == "evil.ckpt"
    assert DownloadSource(link="https://example.org/").name == "download"


def test_the_catalogue_names_families_licences_and_sources() -> None:
    for offer in read_offers():
        assert offer.family in BY_NAME and offer.licence and offer.sources
        assert all(sources._NAME.fullmatch(source.repository) for source in offer.sources)
        is_alone = offer.name == "LCM_Dreamshaper_v7" or offer.name.endswith("lora.safetensors")
        assert len(offer.sources) > 1 or is_alone, "no second source is known for those"
        assert len(set(offer.sources)) == len(offer.sources)
        for source in offer.sources:
            assert bool(source.sha256) == source.cited.startswith("https://")
            assert not source.sha256 or (re.fullmatch("[0-9a-f]{64}", source.sha256) and source.file)

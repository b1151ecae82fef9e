"""What tools say -> what a person reads."""

from __future__ import annotations

import pytest

from launcher.setup_errors import PATTERNS, explain_output

# Real words of uv, pip, Python and the systems.
SAID = [
    ("disk", "error: Failed to extract archive\n  Caused by: failed to write to file: No space left on device (os error 28)"),
    ("disk", "  cause: There is not enough space on the disk. (os error 112)"),
    (
        "certificate",
        "error: Failed to fetch: `https://x/simple/torch/`\n  Caused by: error sending request\n"
        "  Caused by: invalid peer certificate: UnknownIssuer",
    ),
    ("certificate", "urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get issuer"),
    ("proxy", "  Caused by: error sending request\n  Caused by: tunnel error: proxy authentication required"),
    ("damaged", "  × Failed to download `torch==2.15.0`\n  ╰─▶ Hash mismatch for `torch==2.15.0`"),
    (
        "network",
        "error: Request failed after 3 retries in 5.9s\n  cause: Failed to fetch: https://x/whl/cpu/torch/\n"
        "  cause: failed to lookup address information: Name or service not known",
    ),
    ("network", "  Caused by: operation timed out"),
    ("network", "tcp connect error: Connection refused (os error 111)"),
    ("network", "<urlopen error [Errno -3] Temporary failure in name resolution>"),
    ("network", "ERROR: Could not find a version that satisfies\nERROR: No matching distribution found for uv==0.13.9"),
    ("python", "error: No interpreter found for Python >=3.11, <3.15 in managed installations or search path"),
    (
        "build",
        "  × No solution found when resolving dependencies:\n  ╰─▶ Because torch==2.15.0 has no wheels with a matching "
        "platform tag (e.g., `macosx_14_0_x86_64`)",
    ),
    ("read-only", "error: failed to create directory `/media/easel/.venv`: Read-only file system (os error 30)"),
    ("read-only", "[Errno 30] Read-only file system: '.launch'"),
    ("in use", "The process cannot access the file because it is being used by another process. (os error 32)"),
    ("long path", "  Caused by: The filename or extension is too long. (os error 206)"),
    ("permission", "[Errno 13] Permission denied: '/opt/easel/.launch'"),
    ("in the way", "[Errno 17] File exists: '/opt/easel/.launch'"),
    ("in the way", "[Errno 21] Is a directory: '/opt/easel/.launch/lock'"),
    ("permission", "  Caused by: Access is denied. (os error 5)"),
    ("memory", "memory allocation of 4096 bytes failed\nkilled"),
    ("unknown", "error: the moon is in the wrong house"),
]


@pytest.mark.parametrize(("kind", "said"), SAID)
def test_each_output_finds_its_sentence(kind: str, said: str) -> None:
    failure = explain_output(said.splitlines())
    assert failure.kind == kind
    assert "os error" not in str(failure)


def test_every_row_is_tried() -> None:
    assert {row.kind for row in PATTERNS} <= {kind for kind, _ in SAID}


@pytest.mark.parametrize("row", PATTERNS, ids=lambda row: row.kind)
def test_every_row_says_what_happened_and_what_to_do(row) -> None:
    for sentence in (row.what, row.then):
        assert sentence[0].isupper() and sentence.endswith(".")

"""Gradio's scripts as they are served: each replacement is found in this version, and the page works with them."""

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ui.compat import frontend

MENDS = [(pattern, number) for pattern, mends in frontend.MENDS.items() for number in range(len(mends))]

_NODE = shutil.which("node")


def read(pattern: str) -> str:
    (path,) = frontend.FOLDER.glob(pattern)
    return path.read_text("utf-8")


@pytest.mark.parametrize(("pattern", "number"), MENDS)
def test_what_is_replaced_is_in_this_version_of_gradio_once(pattern: str, number: int) -> None:
    mend = frontend.MENDS[pattern][number]
    assert read(pattern).count(mend.found) == 1, f"Gradio's {pattern} has changed. What was mended: {mend.reason}"


def test_every_script_with_a_mend_is_served_mended() -> None:
    client = TestClient(Starlette(routes=list(frontend.create_routes())))
    assert len(frontend.mend_scripts()) == len(frontend.MENDS)
    for name in frontend.mend_scripts():
        (mends,) = [mends for pattern, mends in frontend.MENDS.items() if name.startswith(pattern.partition("*")[0])]
        answer = client.get(f"/assets/{name}")
        assert answer.headers["content-type"].startswith("text/javascript")
        assert all(mend.put in answer.text and mend.found not in answer.text for mend in mends)
        # The same name with another content may be in a browser's cache from another version of Easel.
        assert "must-revalidate" in answer.headers["cache-control"]


def test_a_script_without_what_is_replaced_is_left_to_gradio(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"core-*.js": (frontend.Mend("what no version holds", "nothing", "to be seen"),)}
    monkeypatch.setattr(frontend, "MENDS", other)
    frontend.mend_scripts.cache_clear()
    try:
        assert not frontend.create_routes()
    finally:
        monkeypatch.undo()
        frontend.mend_scripts.cache_clear()


@pytest.fixture
def tree() -> Iterator[dict[str, object]]:
    leaf = {"id": 7, "props": {"shared_props": {}}, "children": []}
    yield {"id": 0, "props": {"shared_props": {}}, "children": [{"id": 3, "props": {"shared_props": {}}, "children": [leaf]}]}


@pytest.mark.skipif(_NODE is None, reason="needs Node.js, which runs the scripts")
def test_the_quick_search_finds_what_the_slow_one_finds_also_after_a_change(tree: dict[str, object]) -> None:
    search = frontend.MENDS["core-*.js"][0]
    script = (
        f"const tree = {json.dumps(tree)};"
        f"const slow = (() => {{ {search.found}; return Z; }})(), quick = (() => {{ {search.put}; return Z; }})();"
        "const find = (search, id) => search(tree, id)?.id ?? null;"
        "const both = () => [0, 3, 7, 8, 9, null].map((id) => [find(slow, id), find(quick, id)]);"
        "const before = both();"
        "tree.children.unshift({ id: 8, children: [{ id: 9 }] });"
        "const after = both(), other = { id: 0, children: [{ id: 9 }] };"
        "console.log(JSON.stringify([before, after, [[slow(other, 9).id, quick(other, 9).id], [null, quick(other, 7)]]]));"
    )
    done = subprocess.run([str(_NODE), "-e", script], capture_output=True, text=True, check=True)
    assert all(slow == quick for pairs in json.loads(done.stdout) for slow, quick in pairs)
    assert [7, 7] in json.loads(done.stdout)[1]


@pytest.mark.skipif(_NODE is None, reason="needs Node.js, which runs the scripts")
def test_the_quick_list_of_events_is_the_slow_one() -> None:
    listed = frontend.MENDS["core-*.js"][1]
    targets = [[[3, "click"], [7, "change"]], [[7, "input"], [7, "blur"]], [[None, "load"]], [[3, None]]]
    script = (
        f"const listeners = {json.dumps(targets)}.map((targets) => ({{ targets }}));"
        f"class Slow {{ find(e, t) {{ {listed.found} n; }} }} class Quick {{ find(e, t) {{ {listed.put} n; }} }}"
        "const slow = new Slow(), quick = new Quick();"
        "const both = (all) => [3, 7, 9].map((id) => [slow.find({ id }, all), quick.find({ id }, all)]);"
        "console.log(JSON.stringify([both(listeners), both(listeners.slice(1))]));"
    )
    done = subprocess.run([str(_NODE), "-e", script], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert all(slow == quick for pairs in found for slow, quick in pairs)
    assert found[0][1][0] == ["change", "input"]

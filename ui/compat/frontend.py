"""Gradio's scripts for the browser, with two searches through the whole page and one list that only grows taken out of them.

A page of 580 components and 300 listeners takes a browser several times as long as it needs, at each opening and with each
message: all components are searched where one is meant. The scripts are served with these lines replaced. Where one is not
found, as in another version of Gradio, its script is served as it is: the page is slower then, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gradio import routes
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(routes.BUILD_PATH_LIB)
"""Where Gradio keeps the scripts."""


@dataclass(frozen=True)
class Mend:
    """``found`` in a script becomes ``put``, because of ``reason``."""

    found: str
    put: str
    reason: str


MENDS: Mapping[str, Sequence[Mend]] = {
    "core-*.js": (
        Mend(
            "function Z(e,t){if(e.id===t)return e;if(e.children)for(let n of e.children){let e=Z(n,t);if(e)return e}return null}",
            "let easelPaths=new Map;"
            "function easelIndex(e,p){easelPaths.set(e.id,p);"
            "if(e.children)for(let n=0;n<e.children.length;n++)easelIndex(e.children[n],[...p,n])}"
            "function easelFollow(e,t){let p=easelPaths.get(t),n=e;if(!p)return null;"
            "for(let i of p){n=n.children?.[i];if(!n)return null}return n.id===t?n:null}"
            "function Z(e,t){if(t==null)return null;let n=easelFollow(e,t);if(n)return n;"
            "easelPaths.clear();easelIndex(e,[]);return easelFollow(e,t)}",
            "A component is found by a search through the whole tree; now by its place, which is read anew after a change.",
        ),
        Mend(
            "let n=t.filter(t=>t.targets.find(([t])=>t===e.id))"
            ".map(t=>{let n=t.targets.find(([t])=>t===e.id);return n?n[1]:null}).filter(Boolean);return",
            "if(this.easelOf!==t){this.easelOf=t;this.easelEvents=new Map;"
            "for(let e of t){let s=new Set;for(let[t,r]of e.targets){if(s.has(t))continue;s.add(t);"
            "let i=this.easelEvents.get(t)||[];r&&i.push(r);this.easelEvents.set(t,i)}}}"
            "let n=this.easelEvents.get(e.id)||[];return",
            "All listeners are searched for each component; they are sorted by component once.",
        ),
    ),
    "statustracker-*.js": (
        Mend(
            "return p.concat(h).map(",
            "return p.map(",
            "Each input of each listener that ever ended gets a status of its own, which each later message writes again. The "
            "status of inputs is only for cameras and microphones, which the page has none of.",
        ),
    ),
}
"""A script's name, with the hash that a build gives it as a star -> what is replaced in it."""


@cache
def mend_scripts() -> Mapping[str, bytes]:
    """The content of each script in which something is replaced, by its name."""
    mended: dict[str, bytes] = {}
    for pattern, mends in MENDS.items():
        for path in FOLDER.glob(pattern):
            text = before = path.read_text("utf-8")
            for mend in mends:
                text = text.replace(mend.found, mend.put)
            if text != before:
                mended[path.name] = text.encode()
    return mended


def create_routes() -> list[Route]:
    """``GET /assets/<name>`` of each such script, to be asked before Gradio's own."""
    return [Route(f"/assets/{name}", _serve) for name in mend_scripts()]


async def _serve(request: Request) -> Response:
    content = mend_scripts().get(request.url.path.rpartition("/")[2])
    if content is None:
        raise HTTPException(404)
    return Response(content, media_type="text/javascript", headers={"Cache-Control": "max-age=0, must-revalidate"})

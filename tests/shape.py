"""The shape of the source, in numbers: ``python -m tests.shape`` prints them, ``tests/test_shape.py`` holds them to bounds.

Everything is read from the source with ``ast`` and ``tokenize``, but for the table of families, which is imported, and the frames
between a request and the UNet, counted while a tiny checkpoint runs (``tests/engine/generate/test_run.py`` bounds them).
"""

from __future__ import annotations

import ast
import re
import statistics
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
FOLDERS = ("engine", "api", "cli", "ui", "launcher")
IGNORE = re.compile(r"#\s*(type:\s*ignore|pyright:)")
ROLES = ("__init__", "tab", "form", "service", "view", "render")
"""What a tab's modules are called, the same in each tab's folder."""

IDENTITIES = {
    "ui.tabs.*.{tab,form,service,view,render}": "a part that every tab has",
    "api.{a1111,openai,easel}.*": "a part of one program's API: its bodies, how they are read and answered, a group of routes",
    "cli.{making,looking}": "the commands that make images, and those that do not",
    "cli.mcp_server": "what serves language models, with the only imports of the protocol's package, which is an extra",
    "launcher.update.new_version": "where a new version comes from, apart from the steps of an update",
    "api.documentation": "what serves the documentation, with the only import of its package",
    "*.compat.*": "keeps apart what depends on another library's internals, with a canary test",
    "engine.checkpoints.families.*": "the rows of one kind of checkpoint; its package only lists them",
    "engine.records.foreign.*": "the reader of one program's records, a row of the table of readers",
    "engine.checkpoints.control.layouts": "one network's key mapping, as the other networks' is in families",
    "engine.checkpoints.load.control.{configuration,control_lora}": "what one method of control networks lacks in its files",
    "engine.checkpoints.library.control_networks": "a question to the list of files, without torch, beside those for upscalers",
    "engine.generate.control.preprocessors": "a table of filters",
    "engine.generate.detail.mask_contents": "what a masked part begins with, apart from how images start",
    "engine.checkpoints.files.pickles": "the one place that interprets pickles, which attackers write",
    "engine.checkpoints.files.*_file": "the reader of one container format",
    "engine.checkpoints.files.pickle_names": "a table: what a pickle may ask for, apart from the machine that reads it",
    "engine.checkpoints.identify.identify": "what its folder offers: the one question that all others ask",
    "engine.checkpoints.identify.markers": "a table: what another program's keys mean",
    "engine.checkpoints.identify.unet_layouts": "a table",
    "engine.checkpoints.identify.mmdit_file": "the rules for single files of one architecture, beside those of UNets",
    "engine.prompt.encoding.t5": "another kind of text encoder than CLIP's, whose rules of reading differ",
    "engine.checkpoints.identify.single_file": "the rules for one of the two layouts, beside folders",
    "engine.checkpoints.library.starter_card": "a file format of Easel's own",
    "engine.checkpoints.library.tiny_decoders": "a question to the list of files, without torch, beside those for upscalers",
    "engine.checkpoints.load.tiny_decoder": "how one kind of file is loaded, beside image networks",
    "engine.checkpoints.load.depth_estimator": "one network's key mapping, as the other networks' is in families",
    "engine.checkpoints.load.merged_lora": "another implementation of TensorStore",
    "engine.checkpoints.load.checkpoint": "which components a checkpoint has; loading one of them is in components",
    "engine.checkpoints.adapters.embeddings": "one of the kinds of additions, beside LoRAs",
    "engine.generate.attempt": "the run under one plan, which its importer repeats under another",
    "engine.generate.samplers.*": "a table of samplers or of schedules, and what is made of a row of each",
    "engine.generate.speed.network_kinds": "a table",
    "engine.generate.speed.openvino_compiler": "a row of the table of compilers",
    "engine.generate.tasks.*": "one kind of request",
    "engine.generate.caption.*": "one kind of request: its run, and one module for each kind of captioner",
    "engine.generate.upscale.*": "the phases that engine.generate has for images, for upscaling",
    "engine.idle.reference_images": "draws and compares images; what is concluded from them is in self_test",
    "engine.jobs.awake_clock": "a clock, which knows nothing of jobs",
    "engine.jobs.journal_rescue": "only runs when a journal is damaged",
    "engine.jobs.single_instance": "a lock between processes, taken before there is a queue",
    "engine.local": "the engine as a library; imported lazily, because it imports torch",
    "engine.plan.reference_checkpoints": "the examples of the printed plan, on which the tests of the plan work as well",
    "engine.plan.pipeline_memory": "memory where only the weights are known, beside that where the networks are",
    "engine.plan.reference_cards": "the examples of the printed plan, beside those of checkpoints",
    "engine.plan.speed": "a table",
    "engine.plan.precision_table": "a table",
    "engine.records.images.box_chunks": "the parser of one container format",
    "engine.records.images.png_writer": "the writer of one container format",
    "engine.records.images.sheet": "the drawing of a labelled sheet, which knows nothing of grids",
    "engine.prompt.prompt_matrix": "one notation of prompts, of which the page knows nothing",
    "engine.records.history_file": "a file format of Easel's own",
    "engine.records.summary": "a type of its own, stored in the history",
    "engine.requests.json_format": "a file format of Easel's own, with all of its earlier versions",
    "launcher.torch_build.*": "which build suits the computer: what is there, and the table",
    "launcher.run_studio": "an entry point, beside run_tests",
    "ui.interface": "an entry point: the page, which tests build without a server",
    "ui.server.{disconnects,encodable_bodies}": "a middleware",
    "ui.server.*_routes": "the routes of one kind of file",
    "ui.tabs.history.desktop": "the commands of each operating system",
    "ui.tabs.sketch_to_image.drawing_pad": "a component with scripts of its own",
    "ui.text_direction": "rules of Unicode's, which know nothing of templates",
    "ui.saved_forms.store": "a file format of Easel's own, beside the components that show it",
    "ui.theme": "how the page looks",
    "ui.words.panels": "the components of its room, which knows completion and cards as HTML and data alone",
}
"""Modules that one other imports (patterns as in shells) -> why they are modules all the same."""

SAME_NAMES = {
    "class Axis": "a direction in which an image is cut into tiles, and one of a grid: both are the field's words",
    "class Control": "what pauses and stops a download, and what guides an image: both are the field's words",
    "class Drawing": "what the pad uploads, and the part of a foreign graph that draws the image",
    "class Lora": "the tag in a prompt, and the file that is merged into the weights",
    "class KnownNames": "records take any of the names, the page gives all",
    "class Work": "what a run computes, for the estimate of memory, and what a decoding process computes",
    "module answers": "of each program's API",
    "module context": "what a run works with, and what the routes of the API do",
    "module errors": "what can go wrong, and how the API says it",
    "module fields": "those of a form, and those of a foreign record",
    "module blobs": "storage keeps bytes, records keep images as such blobs; programs import Blobs from engine.records.blobs",
    "module estimate": "the engine computes it, the page shows it",
    "module models": "of each program's API",
    "module names": "those of downloads, and those that clients write",
    "module prepare": "the same phase of a run, for images and for upscaling",
    "module routes": "of each program's API",
    "module run": "the same phase of a run, for images and for upscaling",
    "module translate": "of each program's API",
}
"""Names that several modules have -> why."""

FAMILY_TABLE = "engine.checkpoints.families"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file."""

    path: Path
    house: Path = HOUSE

    @cached_property
    def where(self) -> str:
        """The path from the repository's root."""
        return self.path.relative_to(self.house).as_posix()

    @cached_property
    def name(self) -> str:
        """The dotted name."""
        parts = self.path.relative_to(self.house).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def lines(self) -> int:
        return len(self.text.splitlines())

    def comments(self) -> Iterator[str]:
        """The comments that silence the type checker."""
        lines = iter(self.text.splitlines(keepends=True) if IGNORE.search(self.text) else ())
        for token in tokenize.generate_tokens(lambda: next(lines, "")):
            if token.type == tokenize.COMMENT and IGNORE.match(token.string):
                yield token.string

    def names(self) -> Iterator[str]:
        """Every name that is used or imported."""
        for node in self.nodes:
            if isinstance(node, ast.Name):
                yield node.id
            elif isinstance(node, ast.alias):
                yield node.name

    def functions(self) -> Iterator[Function]:
        return (node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    def classes(self) -> Iterator[ast.ClassDef]:
        return (node for node in self.tree.body if isinstance(node, ast.ClassDef))

    def calls(self, *names: str) -> int:
        """How often plain functions of these names are called."""
        found = (n.func for n in self.nodes if isinstance(n, ast.Call))
        return sum(isinstance(func, ast.Name) and func.id in names for func in found)

    def imports(self) -> Iterator[tuple[str, str]]:
        """``(module, name)`` of each import, lazy and type-checking ones included; the name is empty for ``import module``."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.module or "", alias.name) for alias in node.names)

    def strings(self) -> Iterator[str]:
        """The string constants that are no docstrings."""
        bare = {id(node.value) for node in self.nodes if isinstance(node, ast.Expr)}
        for node in self.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
                yield node.value


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """The modules of these folders, or of the whole house."""
    return tuple(Module(path) for folder in folders or FOLDERS for path in sorted((HOUSE / folder).rglob("*.py")))


def modules_by_folder() -> Counter[str]:
    """How many modules each folder holds, ``__init__`` included."""
    return Counter(module.path.parent.relative_to(HOUSE).as_posix() for module in modules())


def import_graph(sources: Iterable[Module]) -> dict[str, set[str]]:
    """Module -> the modules of the same house that it imports; ``from package import module`` imports both, as pyright has it."""
    sources = tuple(sources)
    known = {module.name for module in sources}
    graph: dict[str, set[str]] = {}
    for module in sources:
        wanted = {name for base, name in module.imports() for name in (base, f"{base}.{name}")}
        graph[module.name] = wanted & known - {module.name}
    return graph


def import_circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Sets of modules that import each other, directly or by way of others (strongly connected components, Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for imported in sorted(graph[name]):
            if imported not in index:
                visit(imported)
                low[name] = min(low[name], low[imported])
            elif imported in stack:
                low[name] = min(low[name], index[imported])
        if low[name] == index[name]:
            position = stack.index(name)
            circle = stack[position:]
            del stack[position:]
            if len(circle) > 1:
                circles.append(sorted(circle))

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return circles


def single_importers() -> dict[str, str]:
    """Modules that one other module imports and no test names -> that module."""
    importers: dict[str, set[str]] = defaultdict(set)
    for importer, imported in import_graph((*modules(), Module(HOUSE / "app.py"), Module(HOUSE / "launch.py"))).items():
        for name in imported:
            importers[name].add(importer)
    packages = {module.name for module in modules() if module.path.stem == "__init__"}
    return {
        name: next(iter(by))
        for name, by in sorted(importers.items())
        if len(by) == 1 and name not in packages and not has_test(name)
    }


def without_identity() -> dict[str, str]:
    """Modules that one other module imports and for which :data:`IDENTITIES` has no reason -> that module."""
    return {name: by for name, by in single_importers().items() if not any(matches(name, pattern) for pattern in IDENTITIES)}


def matches(name: str, pattern: str) -> bool:
    """Whether a module is meant by a key of :data:`IDENTITIES`: ``*`` is one or more parts of names, ``{a,b}`` a choice."""
    choice = re.escape(pattern).replace(r"\*", r".+").replace(r"\{", "(").replace(r"\}", ")").replace(",", "|")
    return re.fullmatch(choice, name) is not None


def has_test(name: str) -> bool:
    """Whether a module has a test file of its own, at the same path under ``tests``."""
    *folders, stem = name.split(".")
    return HOUSE.joinpath("tests", *folders, f"test_{stem}.py").exists()


def function_lengths() -> dict[str, int]:
    """Function -> its lines, from ``def`` to its last."""
    return {
        f"{module.where}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for module in modules()
        for node in module.functions()
    }


def untyped_parameters() -> list[str]:
    """Parameters without an annotation, but for ``self`` and ``cls``."""
    return [f"{where} {arg.arg}" for where, arg in parameters() if arg.annotation is None and arg.arg not in ("self", "cls")]


def object_parameters() -> list[str]:
    """Parameters typed ``object``, but for those of methods whose signature Python lays down."""
    return [
        f"{where} {arg.arg}"
        for where, arg in parameters()
        if arg.annotation and "__" not in where and re.search(r"\bobject\b", ast.unparse(arg.annotation))
    ]


def parameters() -> Iterator[tuple[str, ast.arg]]:
    """Every parameter of every function, with its place."""
    for module in modules():
        for node in module.functions():
            given = node.args
            starred = (arg for arg in (given.vararg, given.kwarg) if arg)
            for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs, *starred):
                yield f"{module.where}:{node.lineno} {node.name}", arg


def any_by_module() -> Counter[str]:
    """How often the name ``Any`` stands in each module of the engine, imports included."""
    return Counter({module.where: list(module.names()).count("Any") for module in modules("engine")})


def any_per_thousand_lines() -> float:
    return 1000 * any_by_module().total() / sum(module.lines for module in modules("engine"))


def attribute_lookups() -> Counter[str]:
    """Calls of ``getattr`` and ``hasattr`` by module, outside the rooms called ``compat``."""
    return Counter({m.where: m.calls("getattr", "hasattr") for m in modules() if "compat" not in m.name.split(".")})


def casts() -> Counter[str]:
    return Counter({m.where: m.calls("cast") for m in modules()})


def ignores() -> Counter[str]:
    """Comments that silence the type checker, by module."""
    return Counter({module.where: len(list(module.comments())) for module in modules()})


def family_mentions() -> dict[str, list[str]]:
    """Modules outside the table of families -> the families that they name in a string."""
    from engine.checkpoints import families

    table = families.FAMILIES
    names = {row if isinstance(row, str) else row.name for row in table}
    named = {m.where: sorted(names & set(m.strings())) for m in modules("engine", "ui") if not m.name.startswith(FAMILY_TABLE)}
    return {where: found for where, found in named.items() if found}


def names_that_meet() -> dict[str, list[str]]:
    """Names of classes and of modules that several modules have."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules():
        if module.path.stem not in ROLES:
            places[f"module {module.path.stem}"].append(module.where)
        for node in module.classes():
            places[f"class {node.name}"].append(module.where)
    return {name: where for name, where in sorted(places.items()) if len(where) > 1}


def report() -> Iterator[tuple[str, str, Iterable[str]]]:
    """What is counted, its figure, and the places."""
    lengths = function_lengths()
    median, tenth = statistics.median(lengths.values()), statistics.quantiles(lengths.values(), n=10)[8]
    yield "modules", str(len(modules())), []
    yield "largest folders", "", most_common(modules_by_folder(), 5)
    circles = import_circles(import_graph(modules()))
    yield "import circles", str(len(circles)), [", ".join(circle) for circle in circles]
    alone = single_importers()
    yield "modules with one importer and no test of their own", str(len(alone)), [f"{name} <- {by}" for name, by in alone.items()]
    unjudged = without_identity()
    yield "of these, without an identity of their own", str(len(unjudged)), list(unjudged)
    yield (
        "functions: median, p90, longest",
        f"{median:.0f}, {tenth:.0f}, {max(lengths.values())} lines",
        most_common(Counter(lengths), 3),
    )
    yield "parameters without a type", str(len(untyped_parameters())), untyped_parameters()
    yield "parameters typed object", str(len(object_parameters())), object_parameters()
    yield "Any per 1,000 lines of engine", f"{any_per_thousand_lines():.1f}", most_common(any_by_module())
    for title, counts in (("getattr, hasattr", attribute_lookups()), ("cast", casts()), ("type and pyright ignores", ignores())):
        yield title, str(counts.total()), most_common(counts)
    named = family_mentions()
    yield "modules that name a family", str(len(named)), [f"{where}: {', '.join(found)}" for where, found in named.items()]
    meeting = names_that_meet()
    yield (
        "names in several modules",
        str(len(meeting)),
        [f"{name}: {', '.join(where)} ({SAME_NAMES.get(name, 'NO REASON')})" for name, where in meeting.items()],
    )


def frames() -> list[str]:
    """Easel's own functions and generators between Local.make and the UNet."""
    from tests.engine.generate.frames import deepest_frames

    return deepest_frames()


def most_common(counts: Counter[str], number: int = 10) -> list[str]:
    """The largest counts, with their places."""
    return [f"{count:4} {where}" for where, count in counts.most_common(number) if count]


def main() -> None:
    for title, figure, places in report():
        print(f"{title}: {figure}" if figure else f"{title}:")
        for place in places:
            print(f"    {place}")
    found = frames()
    print(f"frames from Local.make to the UNet: {len(found)}")
    for name in reversed(found):
        print(f"    {name}")


if __name__ == "__main__":
    main()

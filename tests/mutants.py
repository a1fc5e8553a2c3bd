"""Do the tests see a mistake? Plants small ones in the library and counts how many are noticed.

    python -m tests.mutants [--count 100] [--seed 0] [--only PATH]

Each mutant is one small change to one module, in a copy of the project, never here; the tests that
belong to the module then run. Results are kept in work/mutants.jsonl: an interrupted run goes on,
and a mutant runs again when its module or the tests of it change. mutmut or cosmic-ray would do as
well; this is a script because the tests of a module must be chosen by us.
"""

import argparse
import ast
import difflib
import hashlib
import itertools
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fer_lib.config import ROOT, WORK

RESULTS = WORK / "mutants.jsonl"
FOLDERS = ("", "methods", "run", "readers", "tools", "audit")
WORKERS = 2
IGNORED = shutil.ignore_patterns(".git", ".venv", ".snakemake", "__pycache__", "work")
#: Tests of a module, or else of all modules in its folder, besides the file of the module's name.
MORE_TESTS = {
    "__init__.py": "test_denoise.py",
    "autoencoder.py": "test_golden.py",
    "config.py": "test_golden.py",
    "data.py": "test_study.py test_leaks.py",
    "paper.py": "report/test_html.py",
    "study.py": "test_leaks.py",
    "training.py": "test_golden.py tools/test_weights.py",
    "audit": "audit/test_procedure.py audit/test_answer.py",
    "methods": "methods/test_table.py",
    "methods/lessons.py": "methods/test_supervision.py test_golden.py",
    "methods/plans.py": "test_config.py test_golden.py",
    "methods/supervision.py": "test_golden.py methods/test_table.py",
    "readers": "readers/test_readers.py readers/test_ferplus.py",
    "run": "run/test_cli.py",
    "run/chapters.py": "test_notebooks.py run/test_asked.py",
    "tools": "test_training.py",
    "tools/fast_ssim.py": "test_metrics.py",
    "tools/files.py": "",
    "tools/pictures.py": "test_figures.py",
    "tools/plots.py": "test_figures.py test_study.py",
    "tools/twins.py": "test_data.py",
}
#: Arguments that change no result: what is drawn or said, and what this machine does anyway.
SILENT = re.compile(
    "alpha|alt|aspect|capsize|caption|color|desc|encoding|figsize|fmt|fontsize|ha|help|label|layout"
    "|loc|ls|lw|marker|metavar|ms|ncols|rotation|strict|style|title|va|xlabel|ylabel|zorder"
)
SWAPS = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"), ast.Pow: ("**", "*"), ast.And: ("and", "or"), ast.Or: ("or", "and"),
    ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
}  # fmt: skip
Edit = tuple[int, int, str]  # from this byte to that one; what comes in their place


@dataclass(frozen=True)
class Mutant:
    """One change to the module at `path` in fer_lib; the operator "none" changes nothing."""

    path: str
    operator: str = "none"
    edit: Edit = (0, 0, "")

    def text(self, source: str) -> str:
        start, end, new = self.edit
        return (source.encode()[:start] + new.encode() + source.encode()[end:]).decode()

    def difference(self, source: str) -> str:
        before, after = source.splitlines(), self.text(source).splitlines()
        return "\n".join(list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:])

    def tests(self, root: Path) -> list[str]:
        folder, _, name = self.path.rpartition("/")
        more = MORE_TESTS.get(self.path, MORE_TESTS.get(folder, "")).split()
        files = [Path("tests", folder, f"test_{name}"), *(Path("tests", test) for test in more)]
        return [str(file) for file in dict.fromkeys(files) if (root / file).is_file()]

    def key(self, root: Path) -> str:
        """A result counts as long as this is the same: the change, the module and its tests.

        That the tests pass without a change counts as long as no module and no test changes.
        """
        files = [root / name for name in (f"fer_lib/{self.path}", *self.tests(root))]
        if self.operator == "none":
            for folder in ("fer_lib", "tests"):
                files += sorted((root / folder).rglob("*.py"))
        parts = [repr(self).encode(), *(file.read_bytes() for file in files)]
        return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def visible(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that decide what the code does: no hints, decorators, messages, looks, versions."""
    yield node
    if isinstance(node, ast.JoinedStr | ast.Raise | ast.Import | ast.ImportFrom):
        return
    hidden = {getattr(node, name, None) for name in ("annotation", "returns")}
    hidden |= set(getattr(node, "decorator_list", ()))
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Expr(value=ast.Constant()):
                continue
            case ast.keyword(arg=str(name)) if SILENT.fullmatch(name):
                continue
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                if name.endswith("Error") or name == "warn":
                    continue
            case ast.Assign(targets=[ast.Name(id=name)]) if name.endswith("VERSION"):
                continue
        if child not in hidden:
            yield from visible(child)


def sites(source: str, *, looks: bool) -> Iterator[tuple[str, list[Edit]]]:
    """(operator, its possible edits) for each place; `looks`: of a module that draws figures."""
    code = source.encode()
    starts = [0, *(match.end() for match in re.finditer(rb"\n", code))]

    def start(node: ast.AST) -> int:
        return starts[node.lineno - 1] + node.col_offset

    def end(node: ast.AST) -> int:
        return starts[node.end_lineno - 1] + node.end_col_offset

    def text(node: ast.AST) -> str:
        return code[start(node) : end(node)].decode()

    def instead(node: ast.AST, *choices: str) -> list[Edit]:
        return [(start(node), end(node), new) for new in choices if new != text(node)]

    def swapped(left: ast.AST, kind: ast.AST, right: ast.AST) -> list[Edit]:
        old, new = SWAPS.get(type(kind), ("", ""))
        gap = code[end(left) : start(right)].decode()
        return [(end(left), start(right), gap.replace(old, new, 1))] if old else []

    nodes = list(visible(ast.parse(source)))
    strings = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    names = sorted(name for name in strings if re.fullmatch(r"[a-z][a-z0-9_-]+", name))
    for node in nodes:
        match node:
            case ast.Compare(left=left, ops=[kind], comparators=[right]):
                yield "comparison", swapped(left, kind, right)
            case ast.BinOp(left=left, op=kind, right=right):
                if not {text(left)[-1], text(right)[-1]} & set("'\""):  # joined texts and paths
                    yield "arithmetic", swapped(left, kind, right)
            case ast.AugAssign(target=left, op=kind, value=right):
                yield "arithmetic", swapped(left, kind, right)
                yield "statement deleted", instead(node, "pass")
            case ast.BoolOp(op=kind, values=[*_, left, right]):
                yield "and, or", swapped(left, kind, right)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield "not dropped", instead(node, text(operand))
            case ast.Constant(value=bool(value)):
                yield "constant", instead(node, str(not value))
            case ast.Constant(value=int(value) | float(value)) if not looks:
                yield "constant", instead(node, "0", "1", str(value + 1))
            case ast.Constant(value=value) if value in names:
                yield "name", instead(node, *(f'"{name}"' for name in names))
            case ast.Call(args=args, keywords=keywords):
                for first, second in zip(args, args[1:], strict=False):
                    new = f"{text(second)}, {text(first)}"
                    yield "arguments swapped", [(start(first), end(second), new)]
                for word in keywords:
                    if word.arg and not SILENT.fullmatch(word.arg) and not looks:
                        comma = re.match(rb"\s*,?\s*", code[end(word) :]).end()
                        yield "argument removed", [(start(word), end(word) + comma, "")]
            case ast.If(test=test):
                yield "condition negated", instead(test, f"not ({text(test)})")
                yield "statement deleted", instead(node, "pass")
            case ast.While(test=test) | ast.IfExp(test=test) | ast.comprehension(ifs=[test, *_]):
                yield "condition negated", instead(test, f"not ({text(test)})")
            case ast.FunctionDef(body=[*body, _]):
                body = [line for line in body if line in nodes]  # without the docstring
                yield "returned early", [edit for line in body for edit in instead(line, "return")]
            case ast.Expr(value=ast.Call()) | ast.Raise() if not looks:
                yield "statement deleted", instead(node, "pass")
            case ast.Assign(targets=[target], value=value):
                if text(target) in map(ast.unparse, ast.walk(value)) or "[" in text(target):
                    yield "statement deleted", instead(node, "pass")


def draw(root: Path, count: int, seed: int, only: str) -> list[Mutant]:
    """The first `count` places by a hash of their line, with one edit each.

    So a change to one place draws no other mutants elsewhere.
    """
    ranked, sources = {}, {}
    for path in (p for folder in FOLDERS for p in (root / "fer_lib" / folder).glob("*.py")):
        if path.is_relative_to(root / only):
            name = str(path.relative_to(root / "fer_lib"))
            source = sources[name] = path.read_text(encoding="utf-8")
            for operator, edits in sites(source, looks=path.name == "figures.py"):
                for begin, *_ in edits[:1]:
                    before, _, column = source.encode()[:begin].rpartition(b"\n")
                    line = source.encode()[len(before) :].split(b"\n")[1]
                    rank = hashlib.sha256(f"{seed} {name} {operator} {line} {column}".encode())
                    choice = edits[int.from_bytes(rank.digest()) % len(edits)]
                    ranked[rank.digest()] = Mutant(name, operator, choice)
    drawn = (ranked[rank] for rank in sorted(ranked))
    return list(itertools.islice((m for m in drawn if changes(m, sources[m.path])), count))


def changes(mutant: Mutant, source: str) -> bool:
    """Whether the mutant is Python, and other code than before."""
    try:
        return ast.dump(ast.parse(mutant.text(source))) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False


def try_out(mutant: Mutant, root: Path, limit: float) -> dict:
    """Run the module's tests on the mutant in the copy `root`: what came of it, for the results."""
    path, began = root / "fer_lib" / mutant.path, time.monotonic()
    source, key = path.read_text(encoding="utf-8"), mutant.key(root)
    options = ["-x", "-q", "-p", "no:cacheprovider", "--tb=no", "-rfE", f"--basetemp={root}/work/t"]
    settings = {
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # two versions of a module may have one time and one size
        "PYTHONPATH": str(root),
        "FER_WORK": str(root / "work"),
        "FER_REPORTS": str(root / "reports"),
        "FER_DATA": os.environ.get("FER_DATA") or str(ROOT.parent / "shared/data/ferplus.zip"),
    }
    (root / "work").mkdir()
    with (root / "work" / "output").open("w+", encoding="utf-8") as output:
        try:
            path.write_text(mutant.text(source), encoding="utf-8")
            tests = subprocess.Popen(
                [sys.executable, "-m", "pytest", *options, *mutant.tests(root)],
                cwd=root, env=os.environ | settings, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
            code = tests.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
            os.killpg(tests.pid, signal.SIGKILL)
        finally:
            path.write_text(source, encoding="utf-8")
        output.seek(0)
        lines = [line.strip() for line in output if line.startswith(("FAILED", "ERROR"))]
    shutil.rmtree(root / "work")
    return {
        "key": key, "path": mutant.path, "operator": mutant.operator,
        "difference": mutant.difference(source),
        "outcome": {0: "survived", None: "timed out"}.get(code, "caught"),
        "by": lines[0] if lines else f"exit code {code}", "seconds": time.monotonic() - began,
    }  # fmt: skip


def run_all(mutants: list[Mutant], copies: queue.Queue, limits: dict[str, float]) -> list[dict]:
    """The results of the mutants, those that RESULTS has already taken from there."""
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    results = {r["key"]: r for r in map(json.loads, lines)}

    def result(mutant: Mutant) -> dict:
        root = copies.get()
        try:
            kept = results.get(mutant.key(root))
            new = kept or try_out(mutant, root, limits.get(mutant.path, 900))
        finally:
            copies.put(root)
        if not kept and (mutant.operator != "none" or new["outcome"] == "survived"):
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(new) + "\n")
            print(f"{new['outcome']:9} {new['seconds']:4.0f} s {mutant.path}: {mutant.operator}")
        return new

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(result, mutants))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="fer_lib", help="a folder or a file of fer_lib")
    options = parser.parse_args()
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = queue.Queue()
        for number in range(WORKERS):
            copies.put(Path(shutil.copytree(ROOT, Path(folder, str(number)), ignore=IGNORED)))
        root = Path(folder, "0")
        mutants = draw(root, options.count, options.seed, options.only)
        paths = sorted({mutant.path for mutant in mutants})
        untested = [path for path in paths if not Mutant(path).tests(root)]
        if untested:
            sys.exit(f"no tests belong to {', '.join(untested)}: name them in MORE_TESTS")
        unchanged = run_all([Mutant(path) for path in paths], copies, {})
        failing = [f"{r['path']}: {r['by']}" for r in unchanged if r["outcome"] != "survived"]
        if failing:
            sys.exit("\n".join(["the tests fail without a mutant:", *failing]))
        limits = {r["path"]: 30 + 4 * r["seconds"] for r in unchanged}
        results = run_all(mutants, copies, limits)
    for result in results:
        if result["outcome"] == "survived":
            print(f"\n{result['path']}: {result['operator']}\n{result['difference']}")
    print(f"\n{len(results)} mutants:", dict(Counter(r["outcome"] for r in results)))


if __name__ == "__main__":
    main()

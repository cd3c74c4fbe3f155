"""Every example in a comment or a README, run against a real gateway."""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import pathlib
import pkgutil
import re
import textwrap

import pytest

import outpour
from gateway import serve

PACKAGE = pathlib.Path(outpour.__file__).parent
HERE = pathlib.Path(__file__).parents
READMES = [HERE[1] / "README.md", HERE[3] / "README.md"]
MODULES = ["outpour", *(found.name for found in pkgutil.walk_packages([str(PACKAGE)], "outpour.") if "._ffi" not in found.name)]
FENCE = re.compile(r"^( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def fenced() -> list[tuple[str, str]]:
    sources = [*READMES, *sorted(path for path in PACKAGE.rglob("*.py") if "_ffi" not in path.parts)]
    return [
        (f"{source.parent.name}-{source.name}-{number}", textwrap.dedent(match[2]))
        for source in sources
        for number, match in enumerate(FENCE.finditer(source.read_text()))
    ]


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_comments(module: str) -> None:
    with serve() as gateway, outpour.sync.connect(gateway.url) as session:
        names = {"outpour": outpour, "session": session, "url": gateway.url}
        imported = importlib.import_module(module)
        failed, attempted = doctest.testmod(imported, extraglobs=names)
    assert failed == 0
    assert attempted == pathlib.Path(str(imported.__file__)).read_text().count(">>> ")


@pytest.mark.parametrize("code", [code for _, code in fenced()], ids=[name for name, _ in fenced()])
def test_examples_in_fences(code: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand, but for the address, and iterations that go on for ever, which are run once."""
    monkeypatch.chdir(tmp_path)
    with serve() as gateway:
        for path in ("prices/eurusd", "rooms/7"):
            with outpour.sync.connect(gateway.url) as publisher:
                publisher.set(path, {"bid": 1.0841, "ask": 1.0843})
        tree = Once().visit(ast.parse(re.sub(r"wss?://[\w.:]+", gateway.url, code), mode="exec"))
        names: dict[str, object] = {"outpour": outpour, "asyncio": asyncio}
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        made = compile(ast.fix_missing_locations(tree), "an example", "exec", flags=flags)

        async def run() -> None:
            async with outpour.connect(gateway.url) as names["session"]:
                waiting = eval(made, names)
                if waiting is not None:
                    await waiting

        if "asyncio.run(" in code or "outpour.sync" in code:
            names["__name__"] = "__main__"
            eval(made, names)
        else:
            asyncio.run(run())


class Once(ast.NodeTransformer):
    """Leaves loops over updates after their first turn."""

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        node.body.append(ast.Break())
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        if "subscri" in ast.unparse(node.iter) or ast.unparse(node.iter) in ("prices", "orders"):
            node.body.append(ast.Break())
        return node

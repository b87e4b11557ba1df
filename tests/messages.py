"""Every message that lower layers can put into a report, read out of their source."""

import ast
import itertools
import re
from pathlib import Path

import shotprint

VALUE = "7"
"""Stands in a message where a value does."""

SOURCES = ("audio", "detection", "recognition", "web")
GATHERED = ("warnings", "remarks")  # lists of messages
FAILURES = {  # what makes a result of a failure → which of its arguments says why
    "recording_error": 1,
    "RecordingError": 0,
    "_not_found": 2,
    "fail": 1,
    "finish": 2,
    "send": 0,
}
RETURNED = ("describe_line",)  # functions that return a message


class Reader:
    """Follows the texts of a package from where they are made to where they are gathered."""

    def __init__(self, folder: Path) -> None:
        trees = [
            ast.parse(path.read_text(encoding="utf-8"))
            for name in SOURCES
            for path in sorted((folder / name).glob("*.py"))
        ]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        self.functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
        self.constants: dict[str, ast.expr] = {
            node.targets[0].id: node.value
            for tree in trees
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }

    def list_messages(self) -> set[str]:
        """Return all messages, `VALUE` in place of values."""
        gathered = {
            text
            for function in self.functions
            for node in ast.walk(function)
            for sunk in self._find_sunk(node)
            for text in self._expand(sunk, function)
        }
        returned = {text for name in RETURNED for text in self._list_returned(name)}
        return {text for text in gathered | returned if re.search(r"[a-z]{2,} \w", text)}

    def _find_sunk(self, node: ast.AST) -> list[ast.expr]:
        """Return what a statement gathers or fails with."""
        if isinstance(node, ast.Assign | ast.AugAssign):
            target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
            return [node.value] if _name(target) in GATHERED else []
        if isinstance(node, ast.keyword) and node.arg == "error":
            return [node.value]
        if not isinstance(node, ast.Call):
            return []
        if isinstance(node.func, ast.Attribute) and node.func.attr == "append":
            return node.args if _name(node.func.value) in GATHERED else []
        place = FAILURES.get(_name(node.func), len(node.args))
        return node.args[place : place + 1]

    def _expand(self, node: ast.expr, function: ast.FunctionDef) -> set[str]:
        """Return the texts that an expression can be."""
        match node:
            case ast.Constant(str(text)):
                return {text}
            case ast.JoinedStr(parts):
                return _join([self._expand(part, function) for part in parts])
            case ast.FormattedValue(value=value, format_spec=spec):
                percent = "%" * (spec is not None and ast.unparse(spec).endswith("%'"))
                return {text + percent for text in self._expand(value, function)}
            case ast.BinOp(left, ast.Add(), right):
                return _join([self._expand(left, function), self._expand(right, function)])
            case ast.BinOp(left, ast.Mult()) if (found := self._expand(left, function)) != {VALUE}:
                return {"", *found}
            case ast.IfExp(body=left, orelse=right) | ast.BoolOp(values=[left, right]):
                return self._expand(left, function) | self._expand(right, function)
            case ast.Tuple(elements):
                return set().union(*(self._expand(each, function) for each in elements), {""})
            case ast.Name(name):
                return self._look_up(name, function)
            case ast.Call(func=called):
                return self._list_returned(_name(called)) or {VALUE}
        return {VALUE}

    def _list_returned(self, name: str) -> set[str]:
        """Return the texts that functions of a name return."""
        return {
            text
            for function in self.functions
            if function.name == name
            for node in ast.walk(function)
            if isinstance(node, ast.Return) and node.value is not None
            for text in self._expand(node.value, function)
        }

    def _look_up(self, name: str, function: ast.FunctionDef) -> set[str]:
        """Return the texts that a name of a function, or of a module, can be."""
        texts: set[str] = set()
        latest, end = set[str](), 0
        kinds = ast.Assign | ast.AugAssign | ast.NamedExpr
        made = [node for node in ast.walk(function) if isinstance(node, kinds)]
        for node in sorted(made, key=lambda each: each.lineno):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if _name(target) != name:
                continue
            new = self._expand(node.value, function)
            if isinstance(node, ast.AugAssign):
                goes_on = node.lineno == end + 1  # else it stands behind a condition
                new = _join([latest if goes_on else texts, new])
                texts -= latest if goes_on else set()
            latest, end = new, node.end_lineno or 0
            texts |= new
        if not texts and name in self.constants:
            return self._expand(self.constants[name], function)
        return texts or {VALUE}


def _name(node: ast.expr) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def _join(parts: list[set[str]]) -> set[str]:
    return {"".join(each) for each in itertools.product(*parts)}


def list_messages() -> set[str]:
    """Return every message of the package that a report can show, `VALUE` in place of values."""
    return Reader(Path(shotprint.__file__).parent).list_messages()

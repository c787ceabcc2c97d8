"""Reads the signature of a class from its source, without importing it.

Importing torch and Lightning takes seconds, and importing what a stranger's config names would run
it. So a config is checked against source text: this module finds the class that a dotted name
means, following re-exports, and tells which arguments it takes and of which types.
"""

import ast
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Parameter:
    """One argument: its annotation (None if it has none) and whether it must be given."""

    annotation: ast.expr | None
    required: bool


@dataclass(frozen=True)
class Signature:
    """What a class takes.

    Attributes:
        home: Dotted name of the module that defines the class.
        parameters: Named arguments, those that **options hand on to the parent class included.
        is_open: Whether other arguments are taken too.
    """

    home: str
    parameters: dict[str, Parameter]
    is_open: bool


def signature_of(target: str) -> Signature:
    """The signature of a class by its dotted name.

    Raises:
        LookupError: If no source defines such a class.
    """
    module, _, name = target.rpartition(".")
    home, definition = _find(module, name)
    return _signature(home, definition)


def accepts(annotation: ast.expr | None, value: Any) -> bool:
    """Whether a plain value (number, text, list) fits an annotation; an unknown one fits all."""
    match annotation:
        case ast.Constant(value=None):
            return value is None
        case ast.Constant(value=str() as text):
            return accepts(ast.parse(text, mode="eval").body, value)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return accepts(left, value) or accepts(right, value)
        case ast.Subscript(value=outer, slice=inner):
            return _accepts_generic(ast.unparse(outer).rpartition(".")[2], inner, value)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _accepts_name(name, value)
    return True


def _accepts_generic(outer: str, inner: ast.expr, value: Any) -> bool:
    options = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    match outer:
        case "Optional":
            return value is None or accepts(inner, value)
        case "Union":
            return any(accepts(option, value) for option in options)
        case "Literal":
            constants = [o.value for o in options if isinstance(o, ast.Constant)]
            return (type(value), value) in [(type(c), c) for c in constants]  # True == 1 == 1.0
        case "list" | "List" | "Sequence" | "Iterable":
            return isinstance(value, list) and all(accepts(inner, item) for item in value)
        case "tuple" | "Tuple":
            return isinstance(value, list)
        case "dict" | "Dict" | "Mapping":
            return isinstance(value, dict)
    return True


def _accepts_name(name: str, value: Any) -> bool:
    match name:
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "str" | "Path":
            return isinstance(value, str)
        case "list" | "tuple":
            return isinstance(value, list)
        case "None":
            return value is None
    if name in _OPEN or not name[0].isupper() or name.isupper():
        return True
    if isinstance(value, dict):
        return "_target_" in value
    # a class wants an object
    return not isinstance(value, bool | int | float | str | list | None)


_OPEN = {"Any", "Sequence", "Iterable", "Mapping", "List", "Tuple", "Dict", "DictConfig"}
"""Names of annotations that look like classes of objects but take plain values."""


def _signature(home: str, definition: ast.ClassDef) -> Signature:
    parameters: dict[str, Parameter] = {}
    fields = _dataclass_fields(definition)
    init = next(
        (
            item
            for item in definition.body
            if isinstance(item, ast.FunctionDef) and item.name == "__init__"
        ),
        None,
    )
    if fields is not None:
        return Signature(home, fields, is_open=False)
    if init is not None:
        parameters = _arguments(init.args)
        if init.args.kwarg is None:
            return Signature(home, parameters, is_open=False)
    # without __init__, or with **options: the parents' arguments count too
    for base in definition.bases:
        try:
            parent = _signature(*_find(home, ast.unparse(base).partition("[")[0]))
        except LookupError:
            continue
        return Signature(home, parent.parameters | parameters, parent.is_open)
    return Signature(home, parameters, is_open=init is not None)


def _arguments(arguments: ast.arguments) -> dict[str, Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args][1:]  # without self
    optional_from = len(positional) - len(arguments.defaults)
    taken = {
        argument.arg: Parameter(argument.annotation, place < optional_from)
        for place, argument in enumerate(positional)
    }
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        taken[argument.arg] = Parameter(argument.annotation, default is None)
    return taken


def _dataclass_fields(definition: ast.ClassDef) -> dict[str, Parameter] | None:
    decorators = {ast.unparse(d).partition("(")[0] for d in definition.decorator_list}
    if "dataclass" not in decorators:
        return None
    return {
        item.target.id: Parameter(item.annotation, item.value is None)
        for item in definition.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and not ast.unparse(item.annotation).startswith("ClassVar")  # no field
    }


def _find(
    module: str, name: str, passed: tuple[tuple[str, str], ...] = ()
) -> tuple[str, ast.ClassDef]:
    """The module that defines a class, and the definition, through any re-exports.

    Args:
        module: Dotted name of the module to look into.
        name: What the class is called there.
        passed: Where it was looked for before: modules that import their parts lead in circles.

    Raises:
        LookupError: If there is none.
    """
    if (module, name) in passed:
        raise LookupError(f"{module} only imports {name!r} from itself")
    passed = (*passed, (module, name))
    source, is_package = _source(module)
    head, _, rest = name.partition(".")
    for node in ast.walk(source):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            above = parts[: len(parts) - node.level + is_package] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                if alias.name == "*":
                    with suppress(LookupError):
                        return _find(origin, name, passed)
                elif (alias.asname or alias.name) == head:
                    if rest:  # `from package import module`, then `module.Class`
                        return _find(f"{origin}.{alias.name}", rest, passed)
                    return _find(origin, alias.name, passed)
        if isinstance(node, ast.Import) and rest:
            for alias in node.names:
                if (alias.asname or alias.name) == name.rpartition(".")[0]:
                    return _find(alias.name, name.rpartition(".")[2], passed)
    raise LookupError(f"{module} defines no class {name!r}")


@cache
def _source(module: str) -> tuple[ast.Module, bool]:
    """The parsed source of a module, and whether it is a package's __init__."""
    search: list[str] | None = None
    path: Path | None = None
    for part in module.split("."):
        spec = PathFinder.find_spec(part, search)
        if spec is None or spec.origin is None:
            raise LookupError(f"there is no module {module!r}")
        path = Path(spec.origin)
        search = list(spec.submodule_search_locations or [])
    if path is None or path.suffix != ".py":
        raise LookupError(f"{module!r} has no Python source")
    return ast.parse(path.read_text(encoding="utf-8")), path.name == "__init__.py"

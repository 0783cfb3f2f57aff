"""What emitted source may consist of. It is checked before it is executed.

The emitter writes only such source; the check is the second lock. Names and numbers of a user's file appear in emitted code, and if
one of them ever broke out of its place, the result would still be unable to open a file, import a module or reach the
interpreter: no module object is ever bound to a variable, no attribute with two leading underscores is read, and every name is
either bound in the source or a builtin of the list below.
"""

from __future__ import annotations

import ast
import builtins
import importlib
from types import ModuleType
from typing import Any

from npde.diagnostics import InternalError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODULES = _words("""
    __future__ math typing collections.abc torch torch.autograd torch.autograd.function torch.compiler torch.fft
    torch.func torch.linalg torch.nn torch.nn.functional torch.nn.init torch.nn.modules torch.nn.modules.conv torch.special
    torch.utils torch.utils.checkpoint torch._higher_order_ops torch._higher_order_ops.scan
""")
"""Modules that may be imported or passed through on the way to a function."""

BUILTINS = _words("""
    abs all any bool classmethod complex dict divmod enumerate float int isinstance len list max min pow property range
    reversed round set slice sorted staticmethod str sum super tuple zip
    IndexError KeyError NotImplementedError RuntimeError TypeError ValueError
""")

FILES = _words("load save from_file compile hub jit set_default_device set_default_dtype manual_seed seed")
"""Members of torch that touch files, run code, or change global settings."""

HIDDEN = _words("""
    format format_map mro gi_frame gi_code cr_frame cr_code ag_frame ag_code f_back f_builtins f_code f_globals f_locals
    tb_frame tb_next
""")
"""Attributes that lead from a value to the interpreter."""

NODES: tuple[type[ast.AST], ...] = (
    ast.Module, ast.Import, ast.ImportFrom, ast.alias, ast.ClassDef, ast.FunctionDef, ast.arguments, ast.arg, ast.Return,
    ast.Assign, ast.AnnAssign, ast.AugAssign, ast.For, ast.If, ast.Expr, ast.Raise, ast.With, ast.withitem, ast.Pass,
    ast.Break, ast.Continue, ast.Call, ast.keyword, ast.Attribute, ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp,
    ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.Starred, ast.Tuple, ast.List, ast.Dict, ast.Set,
    ast.ListComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.JoinedStr, ast.FormattedValue, ast.Lambda,
    ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip


def check(source: str) -> ast.Module:
    """The syntax tree of emitted source, if it is made of allowed parts only.

    Raises:
        InternalError: it is not. That is a bug of the emitter, never a mistake of the user.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InternalError(f"Emitted source is not Python: {error}.") from error
    nodes = list(ast.walk(tree))
    modules = _imported(nodes)
    bound = _bound(nodes) | set(modules)
    _check_no_shadow(nodes, modules)
    inside: set[int] = set()
    for node in nodes:
        if not isinstance(node, NODES):
            raise _refused(node, f"a {type(node).__name__}")
        match node:
            case ast.Attribute():
                _check_attribute(node, modules, inside)
            case ast.Name(id=name) if id(node) not in inside:
                _check_name(node, name, modules, bound)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if name.startswith("__") and name != "__init__":
                raise _refused(node, f"the definition of '{name}'")
            case _:
                pass
    return tree


def _imported(nodes: list[ast.AST]) -> dict[str, Any]:
    """Name in the source -> what is imported under it."""
    found: dict[str, Any] = {}
    for node in nodes:
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    whole = _module(node, alias.name)
                    root = importlib.import_module(alias.name.split(".")[0])
                    found[alias.asname or alias.name.split(".")[0]] = whole if alias.asname else root
            case ast.ImportFrom(module=name, names=aliases, level=level):
                if level or name is None:
                    raise _refused(node, "a relative import")
                module = _module(node, name)
                for alias in aliases:
                    member = _member(node, module, alias.name)
                    found[alias.asname or alias.name] = member
            case _:
                pass
    return found


def _module(node: ast.AST, name: str) -> ModuleType:
    if name not in MODULES:
        raise _refused(node, f"the import of '{name}'")
    return importlib.import_module(name)


def _member(node: ast.AST, module: ModuleType, name: str) -> Any:
    """`module.name`, if it is public and no module but an allowed one."""
    if name.startswith("__") or name in FILES:
        raise _refused(node, f"'{module.__name__}.{name}'")
    try:
        member = getattr(module, name)
    except AttributeError:
        raise _refused(node, f"'{module.__name__}.{name}', which does not exist") from None
    if isinstance(member, ModuleType) and member.__name__ not in MODULES:
        raise _refused(node, f"the module '{member.__name__}'")
    return member


def _bound(nodes: list[ast.AST]) -> set[str]:
    """Names that the source itself binds."""
    names: set[str] = set()
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case _:
                pass
    return names


def _check_no_shadow(nodes: list[ast.AST], modules: dict[str, Any]) -> None:
    """A module's name is bound once, by its import: else what an attribute leads to could not be said."""
    taken = {name for name, value in modules.items() if isinstance(value, ModuleType)} & _bound(nodes)
    if taken:
        raise InternalError(f"Emitted source binds '{min(taken)}' again.")


def _check_attribute(node: ast.Attribute, modules: dict[str, Any], inside: set[int]) -> None:
    if node.attr in HIDDEN or (node.attr.startswith("__") and not _is_super_init(node)):
        raise _refused(node, f"the attribute '{node.attr}'")
    chain: list[ast.Attribute] = []
    root: ast.expr = node
    while isinstance(root, ast.Attribute):
        chain.append(root)
        root = root.value
    if not (isinstance(root, ast.Name) and isinstance(modules.get(root.id), ModuleType)) or id(root) in inside:
        return
    inside.add(id(root))
    value: Any = modules[root.id]
    for link in reversed(chain):
        if not isinstance(value, ModuleType):
            return
        value = _member(link, value, link.attr)
    if isinstance(value, ModuleType):
        raise _refused(node, f"the module '{value.__name__}' as a value")


def _is_super_init(node: ast.Attribute) -> bool:
    """`super().__init__`."""
    match node:
        case ast.Attribute(attr="__init__", value=ast.Call(func=ast.Name(id="super"))):
            return True
        case _:
            return False


def _check_name(node: ast.Name, name: str, modules: dict[str, Any], bound: set[str]) -> None:
    if isinstance(modules.get(name), ModuleType):
        raise _refused(node, f"the module '{name}' as a value")
    if name.startswith("__"):
        raise _refused(node, f"the name '{name}'")
    if name not in bound and name not in BUILTINS and hasattr(builtins, name):
        raise _refused(node, f"the builtin '{name}'")


def _refused(node: ast.AST, what: str) -> InternalError:
    return InternalError(f"Emitted source holds {what} in line {getattr(node, 'lineno', 0)}, which is not allowed.")

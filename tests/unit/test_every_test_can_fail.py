"""Every test states something that is checked whatever its loops run over.

A test that only calls a function, or asserts only inside a loop over something that may be empty, passes when the code
under test returns nothing at all.
"""

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
#: Calls that check by themselves: numpy's, torch's and our own `assert_...`, contexts that expect an exception, and
#: functions whose only work is to refuse what is wrong: a test that calls one says that its input is accepted.
CHECKS = ("assert_", "raises", "warns", "fail", "check", "refuse")
#: Calls whose result is as long as their arguments.
AS_LONG_AS_ARGUMENTS = ("enumerate", "zip", "reversed", "sorted", "list", "tuple", "range")

WRITTEN_OUT = ast.Tuple | ast.List | ast.Set | ast.Dict | ast.Constant


def checks_always(statements: Sequence[ast.stmt]) -> bool:
    """Whether at least one check runs in any case."""
    return Reader(statements).checks_always(statements)


class Reader:
    """Reads the body of one test.

    Args:
        statements: the body; names that it gives to what it writes out itself are never empty.
    """

    def __init__(self, statements: Sequence[ast.stmt]) -> None:
        self.written = {
            target.id: statement.value
            for statement in statements
            if isinstance(statement, ast.Assign) and isinstance(statement.value, WRITTEN_OUT)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }

    def checks_always(self, statements: Sequence[ast.stmt]) -> bool:
        return any(self._checks_always(statement) for statement in statements)

    def _checks_always(self, node: ast.stmt) -> bool:
        match node:
            case ast.Assert():
                return not self._is_vacuous(node.test)
            case ast.Expr(value=called):
                return _is_check(called)
            case ast.With(body=body) | ast.Try(body=body):
                expected = (_is_check(item.context_expr) for item in getattr(node, "items", ()))
                return any(expected) or self.checks_always(body)
            case ast.For():
                return self._never_empty(node.iter) and self.checks_always(node.body)
            case ast.If():
                return self.checks_always(node.body) and self.checks_always(node.orelse)
            case _:
                return False

    def _is_vacuous(self, test: ast.expr) -> bool:
        """`all(... for x in computed)` and `not any(...)` hold for no x at all."""
        negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        call = test.operand if isinstance(test, ast.UnaryOp) and negated else test
        if not isinstance(call, ast.Call) or not call.args or _last_name(call.func) != ("any" if negated else "all"):
            return False
        values = call.args[0]
        return isinstance(values, ast.GeneratorExp | ast.ListComp) and not self._never_empty(values.generators[0].iter)

    def _never_empty(self, node: ast.expr) -> bool:
        """Whether the test itself writes out what a loop runs over."""
        match self.written.get(node.id, node) if isinstance(node, ast.Name) else node:
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                return any(not isinstance(element, ast.Starred) for element in elements)
            case ast.Dict(keys=keys):
                return bool(keys)
            case ast.Constant(value=value):
                return bool(value)
            case ast.Call(func=ast.Attribute(value=written, attr="items" | "values" | "keys")):
                return self._never_empty(written)
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in AS_LONG_AS_ARGUMENTS:
                return all(self._never_empty(argument) for argument in arguments)
            case _:
                return False


def _is_check(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _last_name(node.func).startswith(CHECKS)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def functions_in(file: Path) -> list[ast.FunctionDef]:
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def test_every_test_checks_something_in_any_case() -> None:
    files = sorted(TESTS.rglob("test_*.py"))
    found = [(file.relative_to(TESTS), test) for file in files for test in functions_in(file)]
    assert len(found) > 500
    empty = [f"{file}:{test.lineno} {test.name}" for file, test in found if not checks_always(test.body)]
    assert not empty, "no check, or checks only where a loop finds something; assert first how many there are:\n" + (
        "\n".join(empty)
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("assert f()", True),
        ("f()", False),
        ("for x in f():\n  assert x", False),
        ("assert len(f()) == 3\nfor x in f():\n  assert x", True),
        ("for x in (1, 2):\n  assert x", True),
        ("made = {'a': 1}\nfor x in made.values():\n  assert x", True),
        ("made = f()\nfor x in made:\n  assert x", False),
        ("for x, y in zip((1, 2), f()):\n  assert x", False),
        ("for x in range(3):\n  assert x", True),
        ("for x in range(n):\n  assert x", False),
        ("assert all(x for x in f())", False),
        ("assert not any(x for x in f())", False),
        ("assert all(x for x in (1, 2))", True),
        ("with pytest.raises(ValueError):\n  f()", True),
        ("check_val(parameters, 3)", True),
        ("with torch.no_grad():\n  f()", False),
        ("np.testing.assert_array_equal(a, b)", True),
        ("if a:\n  assert a", False),
        ("if a:\n  assert a\nelse:\n  assert not a", True),
    ],
)
def test_a_check_that_may_never_run_is_recognised(body: str, expected: bool) -> None:
    assert checks_always(ast.parse(body).body) is expected

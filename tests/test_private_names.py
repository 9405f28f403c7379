"""Private names of libraries are used in `compat.py` alone; nothing of a library is replaced elsewhere."""

import ast
import importlib
import inspect
import pathlib
import pkgutil
import re
import textwrap

import pytest

import brave_tf

PACKAGE = pathlib.Path(brave_tf.__file__).parent
PLACE = "compat.py"
LIBRARIES = {
    *("tensorflow", "keras", "tf_keras", "tensorflow_addons", "tensorflow_io", "keras_cv"),
    *("gin", "av"),
}
# Folders of these libraries that are not for others, whatever their names look like.
NOT_EXPORTED = {"python", "src"}
# Public by their documentation: of named tuples, and of the module `os`.
DOCUMENTED = {"_replace", "_asdict", "_fields", "_make", "_exit"}
REPLACED = {"call", "__call__"}
BY_NAME = {"getattr", "setattr", "hasattr", "delattr"}


def is_private(name):
    return name.startswith("_") and not name.endswith("__")


def root(node):
    """Returns the name that a chain of attributes begins with."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def imported(tree):
    """Yields (whole name of a module or of what is in it, its name here, line)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                yield each.name, each.asname or each.name.partition(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for each in node.names:
                yield f"{node.module}.{each.name}", each.asname or each.name, node.lineno


def of_libraries(tree):
    """Returns the names that stand for a library or a part of one in a module."""
    found = {here for whole, here, _ in imported(tree) if whole.partition(".")[0] in LIBRARIES}
    for node in tree.body:
        alias = isinstance(node, ast.Assign) and isinstance(node.value, (ast.Attribute, ast.Name))
        if alias and root(node.value) in found:
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def defined(tree):
    """Returns the private names that a module gives to something of its own."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
    for node in written(tree):
        if ast.unparse(node.value) == "self":
            yield node.attr


def attributes(tree):
    """Yields (what has the attribute, its name, line), also where the name is a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.value, node.attr, node.lineno
        elif isinstance(node, ast.Call) and root(node) in BY_NAME:
            for name in filter(lambda each: isinstance(each, ast.Constant), node.args[1:2]):
                yield node.args[0], str(name.value), node.lineno


def written(tree):
    """Yields the attributes that are assigned to or deleted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield node


def findings(text, own=frozenset()):
    """Returns what a module may not do, as `line: what`.

    Args:
      text: of the module.
      own: private names that the package gives to attributes of its own objects.
    """
    tree = ast.parse(text)
    libraries, here = of_libraries(tree), set(defined(tree))
    found = []
    for whole, _, line in imported(tree):
        first, *others = whole.split(".")
        if first in LIBRARIES and any(is_private(p) or p in NOT_EXPORTED for p in others):
            found.append(f"{line}: import {whole}")
    for value, name, line in attributes(tree):
        if not is_private(name) or name in DOCUMENTED:
            continue
        is_own = isinstance(value, ast.Name) and value.id in ("self", "cls")
        is_own = is_own or (isinstance(value, ast.Call) and root(value) == "super")
        known = name in here or (is_own and name in own)
        if root(value) in libraries or not known:
            found.append(f"{line}: {ast.unparse(value)}.{name}")
    for node in written(tree):
        replaced = node.attr in REPLACED and root(node) != "self"
        if replaced or root(node) in libraries:
            found.append(f"{node.lineno}: {ast.unparse(node)} is replaced")
    return found


SOURCES = {
    str(path.relative_to(PACKAGE)): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))
}
OWN = {
    name
    for path, text in SOURCES.items()
    for name in defined(ast.parse(text))
    if path != PLACE and is_private(name)
}


@pytest.mark.parametrize("path", sorted(set(SOURCES) - {PLACE}))
def test_nothing_private_of_a_library_is_used(path):
    assert not findings(SOURCES[path], OWN), f"find a public way, or move it to {PLACE}"


def base_names(cls):
    """Returns the private names in the classes of libraries that a class is derived from."""
    texts = [
        inspect.getsource(base)
        for base in cls.__mro__
        if base.__module__.partition(".")[0] in LIBRARIES
    ]
    pattern = r"(?:\bself\.|\bdef |^    )(_[a-z]\w*)\b(?!__)"
    return {name for text in texts for name in re.findall(pattern, text, re.MULTILINE)}


def own_names(cls):
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    return {
        *(
            name
            for value, name, _ in attributes(tree)
            if is_private(name) and root(value) == "self"
        ),
        *(name for name in defined(tree) if is_private(name) and name != cls.__name__),
    }


def derived_classes():
    for info in pkgutil.walk_packages(brave_tf.__path__, "brave_tf."):
        module = importlib.import_module(info.name)
        classes = filter(inspect.isclass, vars(module).values())
        if info.name != "brave_tf.compat":
            yield from (cls for cls in classes if cls.__module__ == info.name)


def test_no_class_uses_or_replaces_private_names_of_a_base_that_is_a_library():
    derived = [cls for cls in derived_classes() if base_names(cls)]
    assert len(derived) > 10
    found = {cls.__name__: own_names(cls) & base_names(cls) for cls in derived}
    assert not {name: both for name, both in found.items() if both}


@pytest.mark.parametrize(
    "text",
    [
        "import gin\ngin.config._CONFIG.clear()",
        "import gin\n_CONFIG = 1\nprint(gin.config._CONFIG)",
        "from gin.config import _CONFIG",
        "from tensorflow.python.lib.io import tf_record",
        "import keras.src.engine",
        "def f():\n    from tensorflow_io.python.ops import core_ops",
        "def f(layer):\n    return getattr(layer, '_random_generator', None)",
        "def f(callbacks):\n    callbacks._check_timing = False",
        "def f(op):\n    return op.graph._get_function('a')",
        "import tensorflow as tf\nclass A(tf.keras.Model):\n    def f(self):\n        self._build_input()",
        "import tensorflow as tf\nLayer = tf.keras.layers.Layer\nLayer.build = None",
        "def f(layer, call):\n    layer.call = call",
        "def f(layer):\n    del layer.call",
        "import av\nav.logging.x = 1",
    ],
)
def test_what_is_private_or_replaced_is_found(text):
    assert findings(text)


@pytest.mark.parametrize(
    "text",
    [
        "import gin\ngin.config.iterate_references({})",
        "class A:\n    def __init__(self, b):\n        self._a = 1\n        print(b._a)",
        "def f(pair):\n    return pair._replace(a=1)",
        "class A:\n    def call(self):\n        self.call = None",
        "from brave_tf import _private",
    ],
)
def test_what_is_the_packages_own_is_not(text):
    assert not findings(text)

"""Stand-ins for packages that code under test imports and does not use.

timm imports torchvision for its data transforms; with torchvision installed, transformers cannot import its vision models.
The MoSA repository imports drawing, logging and data packages. Empty modules stand in for them while it is imported.
"""

import sys
import types
from contextlib import contextmanager
from importlib.machinery import ModuleSpec


class Attributes(type):
    def __getattr__(cls, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return f"{cls.__name__}.{name}"


class Anything(metaclass=Attributes):
    """Stands for any class or function: can be called, derived from, and asked for members."""

    def __init__(self, *args, **kwargs):
        pass

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything


class Stub(types.ModuleType):
    __path__: list = []

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything


class Finder:
    def __init__(self, packages: dict):
        self.packages = packages

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in self.packages else None

    def create_module(self, spec):
        return Stub(spec.name)

    def exec_module(self, module):
        for name, value in self.packages[module.__name__.split(".")[0]].items():
            setattr(module, name, value)


@contextmanager
def stubbed(packages: dict):
    """Serves empty modules for the named packages (values: members that are really used), and takes them away again."""
    finder = Finder(packages)
    hidden = {name: module for name, module in sys.modules.items() if name.split(".")[0] in packages}
    for name in hidden:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.split(".")[0] in packages]:
            del sys.modules[name]
        sys.modules.update(hidden)

"""timm without torchvision.

timm imports torchvision for its data transforms, which nothing here uses; with torchvision installed, transformers cannot
import its vision models. So empty modules stand in for torchvision while timm is imported, and are taken away again:
transformers must go on seeing that there is none.
"""

import sys
import types


class Attributes(type):
    def __getattr__(cls, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return f"torchvision.{name}"


class Anything(metaclass=Attributes):
    """Stands for any class of torchvision: can be called, derived from, and asked for members (InterpolationMode.NEAREST)."""

    def __init__(self, *args, **kwargs):
        pass


class Stub(types.ModuleType):
    __path__: list = []

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything


class Finder:
    """Serves a Stub for `torchvision` and everything below it."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torchvision":
            from importlib.machinery import ModuleSpec

            return ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return Stub(spec.name)

    def exec_module(self, module):
        pass


import transformers.utils.import_utils  # decides now, and for good, that there is no torchvision

assert not transformers.utils.import_utils.is_torchvision_available()
finder = Finder()
sys.meta_path.insert(0, finder)
try:
    import timm
    import timm.models
finally:
    sys.meta_path.remove(finder)
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]

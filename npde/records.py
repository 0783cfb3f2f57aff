"""`dataclass`, as the standard one is for `frozen=True, slots=True`, and four times as quick to make.

The standard decorator writes six methods of a frozen record as text and compiles them, 0.4 ms each time; the records that `npde
check` needs would take a fifth of its time. Here `__init__` alone is made so; the other methods are the same for every record. A
field is set once, by `__init__`, and cannot be set again. Equality, hash and repr go over the same fields as the standard ones.
See decision 60.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses
    from operator import attrgetter
    from reprlib import recursive_repr

    FROZEN = {"frozen": True, "slots": True}

    def dataclass(cls=None, /, **options):
        """The decorator. What is asked for other records than frozen ones with slots goes to the standard one."""

        def decorate(plain):
            if options != FROZEN or any(dataclasses.is_dataclass(base) for base in plain.__mro__[1:]):
                return dataclasses.dataclass(**options)(plain)
            made = dataclasses.dataclass(slots=True, eq=False, repr=False)(plain)
            own = vars(made)
            for method in (__setattr__, __delattr__, *_comparing(made), __repr__):
                if own.get(method.__name__) in (None, vars(object).get(method.__name__)):
                    setattr(made, method.__name__, method)
            return made

        return decorate if cls is None else decorate(cls)

    def _comparing(cls):
        """`__eq__` and `__hash__` over the fields that are compared."""
        names = [f.name for f in dataclasses.fields(cls) if f.compare]
        if len(names) > 1:
            key = attrgetter(*names)
        elif names:
            only = attrgetter(*names)

            def key(self):
                return (only(self),)
        else:

            def key(self):  # noqa: ARG001 - as its siblings
                return ()

        def __eq__(self, other):
            return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

        def __hash__(self):
            return hash(key(self))

        return __eq__, __hash__

    def __setattr__(self, name, value):
        if hasattr(self, name):
            raise dataclasses.FrozenInstanceError(f"cannot assign to field '{name}'")
        object.__setattr__(self, name, value)

    def __delattr__(self, name):  # noqa: ARG001 - Python's protocol
        raise dataclasses.FrozenInstanceError(f"cannot delete field '{name}'")

    @recursive_repr()
    def __repr__(self):
        shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)
        return f"{self.__class__.__qualname__}({shown})"


__all__ = ["dataclass"]

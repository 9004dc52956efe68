"""Presets: how the exports of other tools are read. One file each, found by itself.

A preset is rules (`monitor.files.mapping`), the columns by which its files are recognised, and, where rules cannot say
it, a function that finishes the record.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from monitor.errors import InputError
from monitor.files.mapping import Finish, RowMapping, parse_rule


@dataclass(frozen=True)
class Preset:
    """How one tool's exports are read.

    `recognised_by` are sets of columns: where all columns of one set are there, a file is taken to be of this tool.
    `rules` are texts as `--map` takes them. `finish` gets the record that they make, and the row. With `own_names` the
    columns are called as the fields of the call record are, and read as those of any file.
    """

    name: str
    title: str
    recognised_by: tuple[frozenset[str], ...]
    rules: tuple[str, ...]
    finish: Finish | None = None
    own_names: bool = False

    @cached_property
    def mapping(self) -> RowMapping:
        """What makes call records of rows."""
        return RowMapping(tuple(map(parse_rule, self.rules)), keep_names=self.own_names, finish=self.finish)


def presets() -> dict[str, Preset]:
    """All presets by name: the `PRESET` of each module of this folder."""
    modules = (
        importlib.import_module(f"{__name__}.{info.name}")
        for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name)
    )
    found: Iterable[Preset] = (module.PRESET for module in modules)
    return {preset.name: preset for preset in found}


def preset_named(name: str) -> Preset:
    """The preset of that name. Raises InputError."""
    known = presets()
    if name not in known:
        raise InputError(f"--preset {name}: there is no such preset; there are {', '.join(known)}, auto and none.")
    return known[name]


def recognise(row: Mapping[str, Any]) -> Preset | None:
    """The preset that a row of a file fits; None where none does."""
    columns = set(row)
    for preset in presets().values():
        if any(needed <= columns for needed in preset.recognised_by):
            return preset
    return None

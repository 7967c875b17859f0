"""The methodologies a site can name in its plan: those that came with this version, and its own beside site.yaml.

A methodology is data: one YAML file in `methodologies/`, named after its id (docs/methodologies.md). The office has to
approve its digest before anything counted under it is admitted, and the site computes no indicative figure with it.
"""

from __future__ import annotations

from pathlib import Path

from mrv import strict
from mrv.errors import BadInput, Fault, MrvError, fault, raise_all
from mrv.methodology import catalogue
from mrv.methodology.catalogue import Methodology

#: Folder of a site's own methodologies, beside its site.yaml.
OWN = "methodologies"


def beside(site: Path) -> dict[str, Methodology]:
    """All methodologies by name. Raises BadInput with every fault of every file; a name of the library is taken."""
    found = dict(catalogue.library())
    faults: list[Fault] = []
    for path in sorted((site / OWN).glob("*.yaml")):
        where = f"{OWN}/{path.name}"
        try:
            one = catalogue.load(strict.as_text(_bytes(path), where), where)
        except MrvError as error:
            faults += error.faults
            continue
        if one.name in found:
            faults.append(fault("agent.methodology_taken", where, name=one.name))
        elif path.stem not in (one.id, one.name):
            faults.append(fault("agent.methodology_misnamed", where, id=one.id))
        found.setdefault(one.name, one)
    raise_all(faults)
    return catalogue.by_name(found.values())


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(fault("agent.cannot_read", str(path), problem=error.strerror)) from error

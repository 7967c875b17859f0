"""One exported log under audit, and what several of one site have to agree about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from mrv.audit import Approvals, Report, SiteEvidence, audit
from mrv.errors import BadInput, Fault, fault
from mrv.log.note import COSIGNATURE, NOTE, VerifyKey
from mrv.manifest import Manifest
from verify.folder import Exported
from verify.records import Papers, judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What the auditor brought: keys of sites by origin, and the collectors'. Empty: the manifest's are taken."""

    sites: dict[str, VerifyKey]
    cosigners: tuple[VerifyKey, ...]

    @classmethod
    def given(cls, sites: Iterable[str], cosigners: Iterable[str]) -> Keys:
        """Raises BadInput or Refused for what is no key, or one of another kind."""
        own, others = tuple(map(VerifyKey.parse, sites)), tuple(map(VerifyKey.parse, cosigners))
        for key in own:
            key.must_be(NOTE)
        for key in others:
            key.must_be(COSIGNATURE)
        return cls(sites={key.name: key for key in own}, cosigners=others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """An exported log with everything found about it. `claimed`: which keys are only what the office says."""

    exported: Exported
    report: Report
    papers: Papers
    claimed: tuple[str, ...]

    @property
    def site(self) -> str:
        return site_of(self.exported.manifest.origin)

    @property
    def epoch(self) -> int:
        """The number in an origin `<org>/mrv/<site>/k<epoch>`; 0 for another spelling."""
        number = self.exported.manifest.origin.rpartition("/k")[2]
        return int(number) if number.isdecimal() else 0


def opened(exported: Exported, keys: Keys, heads: Sequence[str], *, alone: bool) -> Log:
    """Judge one log. `alone`: a single key that was given is meant for it, whatever its name.

    Raises BadInput or Refused for a manifest whose keys are none.
    """
    says = exported.manifest
    only = next(iter(keys.sites.values())) if alone and len(keys.sites) == 1 else None
    site_key = keys.sites.get(says.origin, only)
    claimed = [name for name, given in (("key", site_key), ("cosigner", keys.cosigners)) if not given]
    site_key = site_key or VerifyKey.parse(says.site_key)
    site_key.must_be(NOTE)
    cosigners = keys.cosigners or tuple(map(VerifyKey.parse, says.cosigners))
    for one in cosigners:
        one.must_be(COSIGNATURE)
    report = audit(
        SiteEvidence(
            site_key=site_key,
            cosigners=cosigners,
            leaves=exported.leaves(),
            checkpoints=tuple(exported.checkpoints()),
            receipt=exported.receipt(),
            approvals=Approvals(
                plans=frozenset(says.plans),
                bindings=frozenset(says.bindings),
                profiles=frozenset(says.profiles),
                methodologies=frozenset(says.methodologies),
            ),
        )
    )
    papers = judged(exported, site_of(says.origin), heads)
    findings = (*exported.faults, *_contradicted(says, site_key, report), *report.findings, *papers.findings)
    report = replace(report, findings=findings)
    return Log(exported=exported, report=report, papers=papers, claimed=tuple(claimed))


def across(logs: Sequence[Log], keys: Keys) -> Iterator[Fault]:
    """What is wrong between logs: a key that fits none, a log that is there twice, journals that part.

    Raises BadInput for keys none of which is of any log here.
    """
    origins = [log.exported.manifest.origin for log in logs]
    for name in sorted(set(keys.sites) - set(origins)):
        if len(logs) > 1:
            raise BadInput(fault("verify.key_of_none", name, logs=", ".join(origins)))
    for origin in sorted({origin for origin in origins if origins.count(origin) > 1}):
        yield fault("verify.log_twice", origin)
    for site in sorted({log.site for log in logs}):
        journals = sorted((log.exported.journal() for log in logs if log.site == site), key=len)
        if any(one != journals[-1][: len(one)] for one in journals):
            yield fault("verify.journals_differ", site)


def site_of(origin: str) -> str:
    """The site in an origin `<org>/mrv/<site>/k<epoch>`."""
    parts = origin.split("/")
    return parts[-2] if len(parts) >= 2 else origin


def _contradicted(says: Manifest, site_key: VerifyKey, report: Report) -> tuple[Fault, ...]:
    """Where the manifest does not fit the folder or the key it was checked with."""
    found = []
    if says.site_key != site_key.text:
        found.append(fault("verify.key_differs", says.origin, manifest=says.site_key, given=site_key.text))
    if says.origin != site_key.name:
        found.append(fault("verify.origin_differs", says.origin, key=site_key.name))
    if says.size != report.size:
        found.append(fault("verify.size_differs", says.origin, manifest=says.size, found=report.size))
    return tuple(found)

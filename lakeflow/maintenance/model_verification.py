"""Whether the files of a model version are those that were registered, and who signed them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.exceptions import InvalidInputError, InvalidStateError
from lakeflow.maintenance import signatures
from lakeflow.maintenance.report import Finding, ModelReport
from lakeflow.maintenance.verification import File, Owner, Record, read, told_apart
from lakeflow.transfer import progress

if TYPE_CHECKING:
    from lakeflow.maintenance.signatures import Key
    from lakeflow.stores.artifacts.places import Place
    from lakeflow.stores.registry.recorded_files import RecordedVersion

MOST_CHARACTERS = 1_000_000
"""Of a signature: it is one field of one change, which has room for 1 MiB. Some 4,000 files."""


def verified(
    version: RecordedVersion,
    place: Place | None,
    public_key: Key | None = None,
    *,
    is_shown: bool = False,
) -> ModelReport:
    """Compare the files of a version with what is recorded of them.

    Args:
        version: What is recorded.
        place: Where the files are; the only file itself where the version is one. None where
            nothing is recorded of them, and none is looked at.
        public_key: To check the signature with.
        is_shown: Whether to show on a terminal how far it is.

    Raises:
        InvalidInputError: This is no public key.
        LakeflowException: FEATURE_DISABLED, the signature cannot be checked without the extra.
        StorageError: A store is out of reach.
    """
    location = version.location if place is None else place.uri
    report = ModelReport(version.name, version.version, location, version.file_count)
    # First, since it costs nothing: who gave a wrong key does not wait for the files.
    _check_signature(report, version, public_key)
    records = {each["path"]: Record(each["size"], each["sha256"]) for each in version.files}
    report.files = len(records)
    report.bytes = sum(each.size for each in records.values())
    if place is not None:
        report.findings = sorted(
            _compared(place, records, is_shown=is_shown), key=lambda each: each.path
        )
    return report


def _compared(place: Place, records: dict[str, Record], *, is_shown: bool) -> list[Finding]:
    sizes = _sizes(place, records)
    findings = list(told_apart(Owner(), records, sizes))
    files = (
        File(Owner(), place, path, record)
        for path, record in records.items()
        if sizes.get(path) == record.size
    )
    with progress.shown("verified", len(records), is_wanted=is_shown) as advance:
        for file, finding in read(files, place.fs):
            advance(file.record.size)
            findings += [finding] if finding else []
    return findings


def _sizes(place: Place, records: dict[str, Record]) -> dict[str, int]:
    """Return the size of every file there is, by its path below the place."""
    # A version that is one file is recorded with no path below itself.
    if "" not in records:
        return place.sizes()
    entry = place.fs.entry(place.folder)
    return {} if entry is None or entry.is_folder else {"": entry.size}


def _check_signature(
    report: ModelReport, version: RecordedVersion, public_key: Key | None
) -> None:
    if public_key is None:
        report.signature = "none" if version.signature is None else "unchecked"
        return
    if version.signature is None:
        report.signature_detail = "the version is not signed"
    else:
        report.signature_detail = signatures.fault(
            version.signature, version.digests, public_key
        )
    report.signature = "invalid" if report.signature_detail else "valid"


def signed(
    version: RecordedVersion,
    place: Place | None,
    private_key: Key,
    password: str | None = None,
    *,
    is_shown: bool = False,
) -> str:
    """Return a signature of the files of a version, which are what was registered.

    Args:
        version: What is recorded of them.
        place: Where they are; None where nothing is recorded of them.
        private_key: An elliptic-curve key.
        password: What the key is encrypted with.
        is_shown: Whether to show on a terminal how far it is.

    Raises:
        InvalidInputError: This is no private key, or the signature is too large to keep.
        InvalidStateError: The files are not those that were registered, or nobody knows.
        LakeflowException: FEATURE_DISABLED, the extra is not installed.
        StorageError: A store is out of reach.
    """
    subject = f"models:/{version.name}/{version.version}"
    # Before the files are read: a key that is none is known at once.
    signature = signatures.made(subject, version.digests, private_key, password)
    if len(signature) > MOST_CHARACTERS:
        raise InvalidInputError(
            f"the signature of {subject} would take {len(signature):,} characters for "
            f"{len(version.files):,} files; a version keeps {MOST_CHARACTERS:,}",
            hint="pack its files into fewer, such as an archive",
        )
    report = verified(version, place, is_shown=is_shown)
    if not report.is_recorded:
        raise InvalidStateError(
            f"{subject} cannot be signed: {report.files:,} of its files are recorded"
            + ("" if report.file_count is None else f", of {report.file_count:,}"),
            hint="log them to a run, and register what was logged",
        )
    if report.findings:
        first = report.findings[0]
        raise InvalidStateError(
            f"{subject} cannot be signed: {first.path!r} is {first.problem} ({first.detail}); "
            f"{len(report.findings):,} of its files are not what was registered",
            hint="lakeflow.registry.verify_model_version lists them",
        )
    return signature

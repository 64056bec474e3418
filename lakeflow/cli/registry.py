"""``lakeflow registry``: what was done; versions compared, approved, verified and signed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow.cli.artifacts import findings
from lakeflow.cli.sql import add_format, lines
from lakeflow.cli.terminal import write
from lakeflow.cli.values import time
from lakeflow.exceptions import InvalidInputError
from lakeflow.printable import printable
from lakeflow.registry import (
    approve_model_version,
    diff,
    history,
    sign_model_version,
    verify_model_version,
)
from lakeflow.system_errors import refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lakeflow.maintenance.report import ModelReport

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for add in (_add_history, _add_diff, _add_approve, _add_verify, _add_sign):
        verb = add(verbs)
        verb.add_argument(
            "--uri",
            help="location of the registry (default: LAKEFLOW_REGISTRY_URI, "
            "LAKEFLOW_TRACKING_URI, ./lake)",
        )
        if add in {_add_diff, _add_verify, _add_sign}:
            verb.add_argument(
                "--tracking-uri",
                help="location of the lake with the runs (default: that of --uri; without "
                "that LAKEFLOW_TRACKING_URI, ./lake)",
            )


def _add_history(verbs: Verbs) -> argparse.ArgumentParser:
    told = verbs.add_parser(
        "history",
        help="list every change of a model",
        description="List every change of a registered model and of its versions: when, who, "
        "what, and what was there before. Also by a name that it had, and when it is deleted.",
    )
    told.add_argument("name", metavar="NAME", help="a name that the model has or had")
    told.add_argument(
        "--as-of",
        type=time,
        metavar="TIME",
        help="only until then: a time such as 2026-11-24T12:00, local unless it says "
        "otherwise, or milliseconds since the Unix epoch",
    )
    add_format(told)
    told.set_defaults(run=_history)
    return told


def _add_diff(verbs: Verbs) -> argparse.ArgumentParser:
    compared = verbs.add_parser(
        "diff",
        help="show two versions side by side",
        description="Show in what two versions of a model and the runs that made them differ: "
        "fields, tags, params, metrics, datasets, source commit.",
    )
    compared.add_argument("name", metavar="NAME", help="name of the model")
    for letter in "ab":
        compared.add_argument(
            f"version_{letter}", metavar=letter.upper(), help="a version, or @ and an alias"
        )
    compared.add_argument("--all", action="store_true", help="what is the same in both, too")
    add_format(compared)
    compared.set_defaults(run=_diff)
    return compared


def _add_approve(verbs: Verbs) -> argparse.ArgumentParser:
    decided = verbs.add_parser(
        "approve",
        help="record a decision on a version",
        description="Record in the history that a version is approved, or rejected, and why.",
    )
    decided.add_argument("name", metavar="NAME", help="name of the model")
    decided.add_argument("version", metavar="VERSION", help="number of the version")
    decided.add_argument("--note", metavar="TEXT", help="why")
    decided.add_argument("--evidence", metavar="URI", help="where the evidence is")
    decided.add_argument("--reject", action="store_true", help="it is rejected")
    decided.set_defaults(run=_approve)
    return decided


def _add_verify(verbs: Verbs) -> argparse.ArgumentParser:
    checked = verbs.add_parser(
        "verify",
        help="find what has changed since a version was registered",
        description="Compare the files of a version with those that were there when it was "
        "registered. The status is 1 if a file is missing, changed, unreadable or new, if "
        "nothing is recorded of them, or with a key if the signature is not valid.",
    )
    _add_version(checked)
    checked.add_argument("--public-key", metavar="FILE", help="check the signature, too")
    add_format(checked)
    checked.set_defaults(run=_verify)
    return checked


def _add_sign(verbs: Verbs) -> argparse.ArgumentParser:
    signed = verbs.add_parser(
        "sign",
        help="sign a version",
        description="Verify the files of a version, and sign them in the format of the "
        "OpenSSF; the signature is kept with the version.",
    )
    _add_version(signed)
    signed.add_argument(
        "--private-key", metavar="FILE", required=True, help="an elliptic-curve key in PEM"
    )
    signed.add_argument("--output", metavar="FILE", help="write the signature there, too")
    signed.set_defaults(run=_sign)
    return signed


def _add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the model")
    parser.add_argument("version", metavar="VERSION", help="a version, or @ and an alias")


def _history(options: argparse.Namespace) -> int:
    found = history(options.name, as_of=options.as_of, registry_uri=options.uri)
    write(lines(found, options.format))
    return 0


def _diff(options: argparse.Namespace) -> int:
    found = diff(
        options.name,
        options.version_a,
        options.version_b,
        everything=options.all,
        registry_uri=options.uri,
        tracking_uri=options.tracking_uri or options.uri,
    )
    write(lines(found, options.format))
    return 0


def _approve(options: argparse.Namespace) -> int:
    found = approve_model_version(
        options.name,
        options.version,
        decision="rejected" if options.reject else "approved",
        note=options.note,
        evidence=options.evidence,
        registry_uri=options.uri,
    )
    write([f"version {found.version} of {printable(found.name)} is {found.approval}\n"])
    return 0


def _verify(options: argparse.Namespace) -> int:
    report = verify_model_version(
        options.name,
        options.version,
        public_key=options.public_key,
        registry_uri=options.uri,
        tracking_uri=options.tracking_uri or options.uri,
    )
    write(findings(report.findings, ("problem", "path", "detail"), options.format))
    if options.format == "table":
        write(_verdict(report))
    return 0 if report.is_good else 1


def _verdict(report: ModelReport) -> Iterator[str]:
    """Yield what a report says, for people."""
    if report.file_count is None:
        yield "nothing is recorded of its files: they were not logged to a lake\n"
    else:
        missing = (
            ""
            if report.is_recorded
            else f" of {report.file_count:,}: its registration was broken off"
        )
        yield f"files recorded: {report.files:,}{missing}, {report.bytes:,} bytes\n"
        yield f"files that differ: {len(report.findings):,}\n"
    detail = f": {report.signature_detail}" if report.signature_detail else ""
    yield f"signature: {report.signature}{printable(detail)}\n"


def _sign(options: argparse.Namespace) -> int:
    signature = sign_model_version(
        options.name,
        options.version,
        options.private_key,
        registry_uri=options.uri,
        tracking_uri=options.tracking_uri or options.uri,
    )
    # It is with the version already: where this fails nobody has to sign again.
    if options.output:
        try:
            Path(options.output).write_text(signature, encoding="utf-8")
        except OSError as error:
            operation = f"write {options.output}"
            raise refused(operation, error) or InvalidInputError(
                f"cannot {operation}: {error.strerror}"
            ) from error
    write([f"version {printable(options.version)} of {printable(options.name)} is signed\n"])
    return 0

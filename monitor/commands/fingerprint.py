"""`llmops-monitor fingerprint`: registers protected texts, as hashes."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("fingerprint", help="Write the fingerprints of the texts in FILE..., for MONITOR_PROTECTED_TEXTS.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Write here.")
def command(files: tuple[Path, ...], out: Path) -> int:
    from monitor.errors import InputError
    from monitor.text.fingerprints import registered

    texts: dict[str, str] = {}
    for file in files:
        try:
            texts[str(file)] = file.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{file}: cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise InputError(f"{file}: is not UTF-8 text.") from None
    document = registered(texts)
    try:
        out.write_text(document, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}.") from None
    click.echo(f"{len(texts)} text{'s' if len(texts) != 1 else ''} registered in {out}.", err=True)
    return 0

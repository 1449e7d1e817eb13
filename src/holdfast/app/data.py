"""Market data of a home: the bar store, and files on their way into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from holdfast.adapters.sources.columns import Repair
from holdfast.adapters.sources.loading import load_whole
from holdfast.adapters.storage.parquet.store import ParquetBarStore, instrument_named
from holdfast.app.home import Home
from holdfast.core.errors import ConfigurationError, HoldfastError
from holdfast.domain.bar_quality import QualityReport
from holdfast.domain.market import Timeframe
from holdfast.ports.market import DatasetInfo


def bar_store(home: Home) -> ParquetBarStore:
    """Return the store of `home`; nothing is created before something is saved."""
    return ParquetBarStore(home.bars)


def given_path(text: str) -> Path:
    """Return the path of a file or folder that somebody typed.

    Raises
    ------
    ConfigurationError
        It is empty, as an unset variable of the shell is, or the system cannot look there.
    """
    if not text.strip():
        raise ConfigurationError(
            "the name of a file is empty", hint="name a file or a folder; a variable that is not set gives such a name"
        )
    path = Path(text)
    try:
        path.exists()
    except OSError as error:
        raise ConfigurationError(f"{text}: cannot be looked at: {error.strerror}", hint="check the path") from error
    return path


def repairs_named(texts: Sequence[str]) -> frozenset[Repair]:
    """Return what a reader may mend.

    Raises
    ------
    ConfigurationError
        There is no repair of that name.
    """
    return frozenset(_repair(text) for text in texts)


def verify_file(path: Path, file_format: str) -> QualityReport:
    """Check a file as an import would, and keep nothing."""
    return load_whole(path, None, None, file_format).report


def verify_store(home: Home) -> Iterator[tuple[str, DatasetInfo | HoldfastError]]:
    """Yield each stored series with what is stored, or with what is wrong with it; one bad file hides no other."""
    store = bar_store(home)
    for path in sorted(home.bars.glob("*/*.parquet")):
        name = f"{path.parent.name} {path.stem}"
        try:
            yield name, store.verify(instrument_named(path.parent.name), Timeframe(path.stem))
        except HoldfastError as error:
            yield name, error
        except ValueError:
            yield name, ConfigurationError(f"{path.name} names no timeframe", hint="move the file out of the store")


def _repair(text: str) -> Repair:
    try:
        return Repair(text)
    except ValueError as error:
        raise ConfigurationError(
            f"there is no repair {text!r}", hint="one of " + ", ".join(item.value for item in Repair)
        ) from error

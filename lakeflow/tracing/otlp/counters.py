"""What a receiver has done, counted, in the text form of Prometheus."""

from __future__ import annotations

import threading
from collections import Counter

_HELP = {
    "requests": "Requests answered, by path and status.",
    "request_seconds": "Seconds from the first byte of a request to its answer.",
    "received_bytes": "Bytes of bodies as they came.",
    "body_bytes": "Bytes of bodies after decompression.",
    "spans": "Spans taken, which are durable, and refused, which are not stored.",
    "log_records": "Log records taken, which are durable, and refused, which are not stored.",
}


class Counters:
    """Counts that only grow; any thread may add to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a count.

        Args:
            name: One of those above.
            amount: By how much.
            **labels: Values of labels; none of them comes from the network, so that there are
                few.
        """
        text = ",".join(f'{key}="{value}"' for key, value in labels.items())
        with self._lock:
            self._counts[name, f"{{{text}}}" if text else ""] += amount  # type: ignore[assignment]

    def text(self) -> str:
        """Return all counts, each as ``lakeflow_otlp_<name>_total``."""
        with self._lock:
            counts = sorted(self._counts.items())
        lines = []
        for name, meaning in _HELP.items():
            full = f"lakeflow_otlp_{name}_total"
            lines += [f"# HELP {full} {meaning}", f"# TYPE {full} counter"]
            lines += [f"{full}{labels} {n}" for (each, labels), n in counts if each == name]
        return "\n".join(lines) + "\n"

"""What the demo found, in a few lines for the terminal."""

from __future__ import annotations

from monitor import wording
from monitor.alerts.telling import signal_of
from monitor.identifiers import project_id
from monitor.links import page_link
from monitor.queries.alerts import AlertRecord, incidents
from monitor.settings import Settings
from monitor.store import Store

TOLD = 6


def tell(store: Store, settings: Settings) -> str:
    """The incidents with their most telling alerts, and where the mails are."""
    lines = []
    for incident in incidents(store, project_id(settings.project)):
        state = "open" if incident.is_open else "over"
        lines.append(f"{incident.severity.upper()} ({state}): {incident.title}")
        lines.append(f"  since {wording.day(incident.since)}, seen {wording.moment_text(incident.opened)}")
        lines += [f"  {_line(alert)}" for alert in incident.alerts[:TOLD]]
        if len(incident.alerts) > TOLD:
            lines.append(f"  and {len(incident.alerts) - TOLD} more changes")
        if incident.appeared:
            names = ", ".join(
                f"{wording.segment_text(item.segment)} ({wording.day(item.first_seen)})" for item in incident.appeared
            )
            lines.append(f"  new then: {names}")
        where = page_link("/alerts", project=settings.project, base=settings.public_url, incident=str(incident.id))
        lines.append(f"  {where}")
    if not lines:
        lines.append("Nothing was found.")
    lines.append(f"Mails: {settings.mail_folder}")
    return "\n".join(lines)


def _line(alert: AlertRecord) -> str:
    signal = signal_of(alert)
    where = wording.segment_text(alert.segment)
    return f"{where}: {signal.title} {wording.format_change(signal, alert.before, alert.after)}"

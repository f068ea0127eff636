"""The files of `monitoring/grafana` and `monitoring/victoriametrics`, from `monitoring.dashboards`.

Grafana's own SDK builds its dashboards, so that they have the fields of the version it is for. Each
file of VictoriaMetrics' page (`-vmui.customDashboardsPath`) has the same panels without variables,
and without those that ask for recorded series, which Prometheus alone makes.
"""

from __future__ import annotations

import json
import re
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as grafana
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import VariableOption

from pixstream.monitoring.dashboards import DASHBOARDS

if TYPE_CHECKING:
    from pixstream.monitoring.dashboards import Dashboard, Panel

_VARIABLES = {
    "component": "label_values(pix_component_state, component)",
    "topic": "label_values(pix_topic_end_offset, topic)",
}
_COLUMNS, _VICTORIA_COLUMNS = 24, 12
_RECORDED = "pix:"
_HEIGHT = 8
_REFRESH_SECONDS = 15
_WINDOW = "[$__rate_interval]"


def files() -> dict[str, str]:
    """Return the text of each file, by its path in `monitoring`."""
    found = {"grafana/provisioning/dashboards/pixstream.yml": _PROVIDER}
    for one in DASHBOARDS:
        found[f"grafana/dashboards/{one.uid}.json"] = of_grafana(one)
        if rows := _victoria_rows(one):
            found[f"victoriametrics/{one.uid}.json"] = _text({"title": one.title, "rows": rows})
    return found


_PROVIDER = """\
# Copy to /etc/grafana/provisioning/dashboards, and the folder dashboards to the path below. The
# source is chosen at the top of each dashboard: any Prometheus that scrapes pixstream.
apiVersion: 1
providers:
  - name: pixstream
    folder: pixstream
    options:
      path: /var/lib/grafana/dashboards/pixstream
"""


def of_grafana(one: Dashboard) -> str:
    """Return a dashboard as Grafana imports it."""
    source = DataSourceRef(type_val="prometheus", uid="${source}")
    made = (
        grafana.Dashboard(one.title)
        .uid(one.uid)
        .description(one.description)
        .tags(["pixstream"])
        .time("now-1h", "now")
        .refresh(f"{_REFRESH_SECONDS}s")
        .with_variable(grafana.DatasourceVariable("source").label("source").type("prometheus"))
    )
    for name, query in _VARIABLES.items():
        made = made.with_variable(
            grafana.QueryVariable(name)
            .label(name)
            .query(query)
            .datasource(source)
            .include_all(True)
            .all_value(".*")
            .current(VariableOption(text="All", value="$__all"))
            .multi(True)
        )
    for row in one.rows:
        made = made.with_row(grafana.Row(row.title))
        width = _COLUMNS // min(3, len(row.panels))
        for panel in row.panels:
            made = made.with_panel(_grafana_panel(panel, source, width))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _grafana_panel(panel: Panel, source: DataSourceRef, width: int) -> Any:
    kind: Any = stat.Panel() if panel.single else timeseries.Panel()
    kind = (
        kind.title(panel.title)
        .description(panel.description)
        .unit(panel.unit)
        .datasource(source)
        .span(width)
        .height(_HEIGHT)
    )
    if not panel.single:
        legend = common.VizLegendOptions().show_legend(True)
        kind = kind.axis_soft_min(0).legend(legend)
    for letter, query in zip(ascii_uppercase, panel.queries, strict=False):
        kind = kind.with_target(
            prometheus.Dataquery().expr(query.expression).legend_format(query.legend).ref_id(letter)
        )
    return kind


def _victoria_rows(one: Dashboard) -> list[dict[str, Any]]:
    """Return the rows of a dashboard of VictoriaMetrics' page, without empty ones."""
    rows = []
    for row in one.rows:
        panels = [panel for panel in row.panels if not _asks_recorded(panel)]
        width = _VICTORIA_COLUMNS // min(3, max(1, len(panels)))
        shown = [_victoria_panel(panel, width) for panel in panels]
        rows += [{"title": row.title, "panels": shown}] if shown else []
    return rows


def _asks_recorded(panel: Panel) -> bool:
    return any(_RECORDED in query.expression for query in panel.queries)


def _victoria_panel(panel: Panel, width: int) -> dict[str, Any]:
    return {
        "title": panel.title,
        "description": panel.description,
        "expr": [_without_variables(query.expression) for query in panel.queries],
        "alias": [query.legend for query in panel.queries],
        "showLegend": True,
        "width": width,
    }


def _without_variables(expression: str) -> str:
    """Return a query that asks for everything; MetricsQL chooses the windows itself."""
    return re.sub(r"\$(?:component|topic)\b", ".*", expression).replace(_WINDOW, "")


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"

"""The report: one file that needs nothing else, with every point and every metric of the results in it."""

from html import unescape

import pytest
from bulkhead.base.errors import BulkheadError
from bulkhead.experiment.draw import draw_figures
from bulkhead.report import write_report
from bulkhead.result import read_result
from test_figures import result_file


def test_one_page_holds_figures_metrics_and_ledger(tmp_path):
    path = result_file("theft_of_service", tmp_path)
    draw_figures(path, tmp_path)
    text = unescape(write_report(tmp_path).read_text())
    result = read_result(path)
    assert 'src="data:image/png;base64,iVBOR' in text
    assert "http" not in text.replace("http-equiv", ""), "nothing is fetched from elsewhere"
    for name, row in result.metrics.items():
        assert f"<b>{name}</b>" in text and row.help in text
    assert all(point.trace_sha256[:12] in text for point in result.points)
    assert "exact (deterministic)" in text
    assert "slice 5000" in text


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(BulkheadError, match="holds no result"):
        write_report(tmp_path)

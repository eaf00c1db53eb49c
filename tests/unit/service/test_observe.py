"""Metrics with closed labels; log lines as JSON."""

import json
import logging
import sys

from labeler.service.observe import JsonLines, Metrics


def test_unknown_words_count_as_other() -> None:
    metrics = Metrics()
    metrics.reject(["TooOld", "Made-Up-By-A-Caller"])
    metrics.issued("x" * 1000, neg=True)
    metrics.ended("198.51.100.1")
    text = metrics.text().decode()
    assert 'labeler_event_rejections_total{reason="TooOld"} 1.0' in text
    assert 'labeler_event_rejections_total{reason="other"} 1.0' in text
    assert 'labeler_labels_total{neg="true",val="other"} 1.0' in text
    assert 'labeler_subscriptions_ended_total{reason="other"} 1.0' in text
    assert "Made-Up" not in text
    assert "198.51" not in text


def test_two_processes_of_one_program_do_not_share_numbers() -> None:
    first, second = Metrics(), Metrics()
    first.batches.inc()
    assert second.registry.get_sample_value("labeler_batches_total") == 0


def test_a_log_line_is_one_object_with_its_fields() -> None:
    record = logging.makeLogRecord(
        {"name": "labeler.issued", "levelname": "INFO", "msg": "label %d", "args": (7,), "created": 0.25, "msecs": 250}
    )
    record.fields = {"seq": 7, "val": "mail-throttled"}
    line = json.loads(JsonLines().format(record))
    assert (line["message"], line["level"], line["seq"], line["val"]) == ("label 7", "info", 7, "mail-throttled")
    assert line["at"] == "1970-01-01T00:00:00.250Z"


def test_a_traceback_stays_on_its_line() -> None:
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        record = logging.makeLogRecord({"msg": "failed", "levelname": "ERROR", "exc_info": sys.exc_info()})
    text = JsonLines().format(record)
    assert "\n" not in text
    assert "ValueError" in json.loads(text)["traceback"]

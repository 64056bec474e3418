"""What the receiver answers to good, bad and hostile requests, and what it stores of them."""

from __future__ import annotations

import gzip
import http.client
import json
import resource
import shutil
import socket
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from lakeflow import LakeflowClient
from lakeflow.tracing.otlp import limits, receiver
from lakeflow.tracing.otlp.bodies import LONGEST_BODY_BYTES
from lakeflow.tracing.otlp.serving import receiving

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

EVERYTHING = {
    "resourceSpans": [
        {
            "resource": {
                "attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]
            },
            "scopeSpans": [
                {
                    "scope": {"name": "lib", "version": "2"},
                    "spans": [
                        {
                            "traceId": "0123456789abcdefABCDEF0123456789",
                            "spanId": "EEE19B7EC3C1B174",
                            "parentSpanId": "eee19b7ec3c1b173",
                            "traceState": "k=v",
                            "flags": 257,
                            "name": "ask",
                            "kind": 3,
                            "startTimeUnixNano": 1544712660000000001,
                            "endTimeUnixNano": "1544712661000000002",
                            "status": {"code": 2, "message": "no luck"},
                            "attributes": [
                                {"key": "text", "value": {"stringValue": "a\0b"}},
                                {"key": "whole", "value": {"intValue": "9007199254740993"}},
                                {"key": "small", "value": {"intValue": 7}},
                                {"key": "real", "value": {"doubleValue": 2.0}},
                                {"key": "nan", "value": {"doubleValue": "NaN"}},
                                {"key": "flag", "value": {"boolValue": False}},
                                {"key": "raw", "value": {"bytesValue": "AP8="}},
                                {"key": "none", "value": {}},
                                {
                                    "key": "list",
                                    "value": {
                                        "arrayValue": {
                                            "values": [{"intValue": 1}, {"stringValue": ""}]
                                        }
                                    },
                                },
                                {
                                    "key": "map",
                                    "value": {
                                        "kvlistValue": {
                                            "values": [
                                                {"key": "traceId", "value": {"intValue": 0}}
                                            ]
                                        }
                                    },
                                },
                                {"key": "gen_ai.usage.input_tokens", "value": {"intValue": 3}},
                            ],
                            "events": [
                                {
                                    "timeUnixNano": "5",
                                    "name": "e",
                                    "attributes": [{"key": "k", "value": {"intValue": "1"}}],
                                    "unknown": 1,
                                }
                            ],
                            "links": [{"traceId": "0A" * 16, "spanId": "0b" * 8}],
                            "somethingNew": {"a": [1]},
                        }
                    ],
                }
            ],
        }
    ],
    "unknownField": True,
}
ROW = {
    "experiment_id": "0",
    "trace_id": "tr-0123456789abcdefabcdef0123456789",
    "day": 17878,
    "start_time_ns": 1544712660000000001,
    "span_id": "eee19b7ec3c1b174",
    "parent_span_id": "eee19b7ec3c1b173",
    "end_time_ns": 1544712661000000002,
    "name": "ask",
    "span_type": "UNKNOWN",
    "kind": "CLIENT",
    "status": "ERROR",
    "status_message": "no luck",
    "service_name": "shop",
    "input_tokens": 3,
    "total_tokens": 3,
    "attributes": '{"text":"a\\u0000b","whole":9007199254740993,"small":7,"real":2.0,'
    '"nan":{"$double":"NaN"},"flag":false,"raw":{"$bytes":"AP8="},"none":null,"list":[1,""],'
    '"map":{"traceId":0},"gen_ai.usage.input_tokens":3}',
    "events": '[{"name":"e","time_ns":5,"attributes":{"k":1}}]',
    "links": f'[{{"trace_id":"tr-{"0a" * 16}","span_id":"{"0b" * 8}","trace_state":null,'
    '"attributes":{}}]',
    "resource": '{"service.name":"shop"}',
    "scope": '{"name":"lib","version":"2","attributes":{}}',
    "trace_state": "k=v",
    "flags": 257,
}


def as_protobuf(tree) -> bytes:
    from lakeflow.tracing.otlp import bodies

    message = bodies.read(json.dumps(tree).encode(), JSON, ExportTraceServiceRequest)
    return message.SerializeToString()


def present(row):
    return {name: value for name, value in row.items() if value is not None}


@pytest.mark.parametrize("form", ["json", "protobuf", "both"])
def test_a_span_with_everything_is_a_row_with_everything_once(post, stored, form):
    if form in ("json", "both"):
        answer = post(EVERYTHING)
        assert (answer.status, answer.json) == (200, {})
    if form in ("protobuf", "both"):
        answer = post(as_protobuf(EVERYTHING), PROTOBUF)
        assert (answer.status, answer.headers["Content-Type"]) == (200, PROTOBUF)
        assert (
            ExportTraceServiceResponse.FromString(answer.body) == ExportTraceServiceResponse()
        )
    assert [present(row) for row in stored()] == [ROW]


def raw_deflate(body):
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(body) + stream.flush()


COMPRESSED = {
    "gzip": gzip.compress,
    "GZIP": lambda body: gzip.compress(body[:10]) + gzip.compress(body[10:]),
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "identity": lambda body: body,
}


@pytest.mark.parametrize("encoding", COMPRESSED)
@pytest.mark.parametrize("form", [JSON, PROTOBUF])
def test_a_compressed_body_is_read(post, rows, encoding, form):
    body = json.dumps(EVERYTHING).encode() if form == JSON else as_protobuf(EVERYTHING)
    answer = post(COMPRESSED[encoding](body), form, Content_Encoding=encoding)
    assert answer.status == 200
    assert len(rows()) == 1


@pytest.mark.parametrize("form", [JSON, PROTOBUF])
@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs"])
def test_an_empty_request_is_fine(post, form, path):
    assert post(b"{}" if form == JSON else b"", form, path).status == 200


BAD = {
    "no JSON": (b"{", JSON),
    "a list": (b"[]", JSON),
    "nothing": (b"", JSON),
    "no UTF-8": (b'{"a": "\xff"}', JSON),
    "a deep one": (b"[" * 100_000, JSON),
    "a deep value": (
        b'{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":'
        + b'{"arrayValue":{"values":[' * 200
        + b"]}}" * 200
        + b"}]}}]}",
        JSON,
    ),
    "a number that is none": (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"x"}]}]}]}',
        JSON,
    ),
    "a negative time": (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":-1}]}]}]}',
        JSON,
    ),
    "a text for a list": (b'{"resourceSpans":"x"}', JSON),
    "no protobuf": (b"\xff\xff\xff", PROTOBUF),
    "JSON for protobuf": (b"{}", PROTOBUF),
    "half a message": (as_protobuf(EVERYTHING)[:-10], PROTOBUF),
}


@pytest.mark.parametrize("name", BAD)
def test_what_can_never_be_read_is_refused_in_its_own_form_and_not_stored(post, rows, name):
    body, form = BAD[name]
    answer = post(body, form)
    assert answer.status == 400
    code, message = (
        (answer.json["code"], answer.json["message"])
        if form == JSON
        else (answer.error.code, answer.error.message)
    )
    assert code == 3
    assert message.startswith("the body is no ExportTraceServiceRequest: ")
    assert answer.headers["Retry-After"] is None
    assert rows() == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "body", [b"", b"x", gzip.compress(b"{}")[:-3]], ids=["nothing", "no archive", "cut"]
)
def test_a_damaged_body_is_refused(post, encoding, body):
    assert post(body, Content_Encoding=encoding).status == 400


def test_what_is_of_another_kind_is_refused_as_such(post):
    assert (
        post(b"{}", Content_Encoding="br").json["message"].startswith("Content-Encoding 'br'")
    )
    answer = post(b"{}", "text/plain")
    assert answer.status == 415
    assert answer.json["message"].startswith("Content-Type 'text/plain'")
    assert post(b"{}", "application/json; charset=utf-8").status == 200


FAULTS = {
    "a trace id that is not 16 bytes, or zeros": [
        {"traceId": "00" * 16},
        {"traceId": "ab"},
        {"traceId": "xy" * 16},
        {"traceId": ""},
        {"traceId": 5},
        {"traceId": "ab" * 17},
    ],
    "a span id that is not 8 bytes, or zeros": [
        {"spanId": "00" * 8},
        {"spanId": "ab" * 7},
        {"spanId": None},
    ],
    "a parent id that is not 8 bytes": [{"parentSpanId": "abab"}],
    "a time after the year 2262": [
        {"startTimeUnixNano": str(2**63)},
        {"endTimeUnixNano": 2**64 - 1},
    ],
}


@pytest.mark.parametrize("reason", FAULTS)
def test_bad_spans_are_counted_and_the_good_ones_kept(post, rows, span, request_of, reason):
    bad = [span(9, **fields) for fields in FAULTS[reason]]
    answer = post(request_of(span(1), *bad, span(2)))
    assert answer.status == 200
    assert answer.json["partialSuccess"] == {
        "rejectedSpans": str(len(bad)),
        "errorMessage": f"{len(bad)} with {reason}",
    }
    assert [row["name"] for row in rows()] == ["s1", "s2"]


def test_odd_spans_are_spans(post, rows, span, request_of):
    odd = {
        "parentSpanId": "00" * 8,
        "kind": 99,
        "status": {"code": 7},
        "endTimeUnixNano": "1",
        "startTimeUnixNano": "2",
        "name": "",
        "attributes": [
            {"key": "twice", "value": {"intValue": 1}},
            {"key": "twice", "value": {"intValue": 2}},
            {"key": "half", "value": {"stringValue": "\ud83d"}},
            {"key": "", "value": {"stringValue": "\U0001f600"}},
        ],
    }
    assert post(request_of(span(1, **odd), span(2, endTimeUnixNano=0))).status == 200
    first, second = rows()[::-1] if rows()[0]["name"] else rows()
    assert (first["kind"], first["status"]) == ("UNSPECIFIED", "UNSET")
    assert (first["start_time_ns"], first["end_time_ns"]) == (2, 1)
    assert first["parent_span_id"] is None
    assert json.loads(first["attributes"]) == {"twice": 2, "half": "\ufffd", "": "\U0001f600"}
    assert second["end_time_ns"] is None


def test_enumerations_may_come_by_name(post, rows, span, request_of):
    named = span(kind="SPAN_KIND_SERVER", status={"code": "STATUS_CODE_OK"})
    assert post(request_of(named)).status == 200
    assert [(row["kind"], row["status"]) for row in rows()] == [("SERVER", "OK")]


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_a_bomb_is_refused_before_it_is_big(post, compress):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bomb = compress(bytes(LONGEST_BODY_BYTES * 3))
    grown_by_us = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    encoding = "gzip" if compress is gzip.compress else "deflate"
    answer = post(bomb, Content_Encoding=encoding)
    assert answer.status == 413
    assert "67,108,864 bytes" in answer.json["message"]
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - max(before, grown_by_us) < 2 * LONGEST_BODY_BYTES // 1024


def field(number, data):
    """Return a field of a message that holds some bytes."""
    length, size = len(data), b""
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + data


def in_an_attribute(value):
    """Return a request of one span with one attribute, of which this is the value."""
    return field(1, field(2, field(2, field(9, field(2, value)))))


MANY = {
    "empty resources": (b"\x0a\x00" * 5_000_000, PROTOBUF),
    "empty spans": (field(1, field(2, b"\x12\x00" * 5_000_000)), PROTOBUF),
    "empty attributes": (field(1, field(2, field(2, b"\x4a\x00" * 5_000_000))), PROTOBUF),
    "values of one attribute": (in_an_attribute(field(5, b"\x0a\x00" * 5_000_000)), PROTOBUF),
    "texts and lists in its place": (
        in_an_attribute(b"\x0a\x00\x2a\x00" * 5_000_000),
        PROTOBUF,
    ),
    "JSON": (b'{"resourceSpans":[' + b"{}," * 5_000_000 + b"{}]}", JSON),
    "numbers in JSON": (b'{"a":[' + b"0," * 5_000_000 + b"0]}", JSON),
    "texts in JSON": (b'{"a":[' + b'"",' * 5_000_000 + b"0]}", JSON),
}


@pytest.mark.parametrize("name", MANY)
def test_a_body_of_nothing_but_very_many_things_is_refused(post, name):
    body, form = MANY[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = post(gzip.compress(body, 1), form, Content_Encoding="gzip")
    assert answer.status == 413
    assert b"4,000,000 attributes" in answer.body
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_a_body_of_many_objects_is_refused_before_they_are_made(post):
    empty = {
        "resources": b"\x0a\x00" * 600_000,
        "spans": field(1, field(2, b"\x12\x00" * 600_000)),
        "events": field(1, field(2, field(2, b"\x5a\x00" * 600_000))),
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for body in empty.values():
        assert post(gzip.compress(body, 1), PROTOBUF, Content_Encoding="gzip").status == 413
    records = field(1, field(2, b"\x12\x00" * 600_000))
    assert post(records, PROTOBUF, "/v1/logs").status == 413
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


_EMPTY_SPANS = field(1, field(2, b"\x12\x00" * 600_000))
HIDDEN = {
    "behind a field that is no message": field(2, b"\xff" * 20) + _EMPTY_SPANS,
    "behind one of a resource": field(1, field(1, field(2, b"\xff" * 20))) + _EMPTY_SPANS,
    "in an event": field(1, field(2, field(2, field(11, b"\x1a\x00" * 600_000)))),
    "in a reference of a resource": field(1, field(1, field(3, b"\x1a\x00" * 600_000))),
    "in a list in an object in an attribute": in_an_attribute(
        field(6, field(1, field(2, field(5, b"\x0a\x00" * 600_000))))
    ),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_very_many_things_are_counted_wherever_they_are(name, monkeypatch):
    monkeypatch.setattr(limits, "MOST_PARTS", 1000)
    assert limits.has_too_many_parts(HIDDEN[name], ExportTraceServiceRequest, is_json=False)


def test_what_is_in_a_text_is_no_part(monkeypatch):
    monkeypatch.setattr(limits, "MOST_PARTS", 1000)
    text = json.dumps(json.dumps({'a"\\': [0, 1]}) * 100_000).encode()
    for body, is_too_much in (
        (b"[" + text + b",0" * 1000 + b"]", True),
        (b"[" + b',""' * 900 + b"," + text + b"]", False),
    ):
        many = limits.has_too_many_parts(body, ExportTraceServiceRequest, is_json=True)
        assert many == is_too_much
    # Nor is what has as many bytes of which each could begin a part.
    body = in_an_attribute(field(1, b"\x12" * 2_000_000))
    assert not limits.has_too_many_parts(body, ExportTraceServiceRequest, is_json=False)


def test_a_large_body_that_cannot_be_counted_is_refused(post, monkeypatch):
    monkeypatch.setattr(limits, "MOST_PARTS", 1000)
    # A reader passes over a group, and reads what is behind it.
    answer = post(b"\x7b\x7c" + _EMPTY_SPANS, PROTOBUF)
    assert answer.status == 400
    deep = b""
    while len(deep) < 1024 * 1024:
        deep = field(5, field(1, deep + bytes(2000)))
    deep = field(1, field(2, field(2, field(5, deep))))
    assert post(deep, PROTOBUF, "/v1/logs").status == 400


def test_a_body_of_many_usual_spans_is_read(post, rows):
    message = ExportTraceServiceRequest.FromString(as_protobuf(EVERYTHING))
    (span,) = message.resource_spans[0].scope_spans[0].spans
    for number in range(4_000):
        message.resource_spans[0].scope_spans[0].spans.add().CopyFrom(span)
        span.span_id = number.to_bytes(7) + b"x"
    body = message.SerializeToString()
    assert len(body) > 1024 * 1024
    assert post(body, PROTOBUF).status == 200
    assert rows("SELECT count(*) AS n FROM spans") == [{"n": 4_001}]


@pytest.mark.parametrize("place", [1, 1000, 500_000])
def test_a_long_body_that_is_cut_is_no_message(post, place):
    message = ExportTraceServiceRequest.FromString(as_protobuf(EVERYTHING))
    message.resource_spans[0].scope_spans[0].spans[0].name = "n" * 2_000_000
    assert post(message.SerializeToString()[:-place], PROTOBUF).status == 400


def test_what_says_that_it_is_too_long_is_not_read(url):
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Content-Length: 67108865\r\n\r\n"
        )
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_what_does_not_say_how_long_it_is_is_counted(post, url):
    def pieces():
        for _ in range(65):
            yield bytes(1024 * 1024)

    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    try:
        connection.request(
            "POST", "/v1/traces", pieces(), {"Content-Type": JSON}, encode_chunked=True
        )
    except (BrokenPipeError, ConnectionResetError):
        pass
    else:
        assert connection.getresponse().status == 413
    connection.close()
    assert post(b"{}").status == 200


def test_a_head_is_bounded(url):
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 200_000)
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "path", ["/v1/metrics", "/", "/v1/traces/", "/../../etc/passwd", "/v1/trace%73x"]
)
def test_other_signals_are_told_what_there_is(post, path):
    answer = post(b"{}", path=path)
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert b"/v1/traces (spans) and /v1/logs (GenAI events)" in answer.body


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_signals_are_posted(post, method):
    answer = post(b"", method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    # Without these headers no page in a browser may send to it.
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_the_experiment_is_that_of_the_header_the_resource_or_the_option(
    lake, post, rows, span, request_of
):
    client = LakeflowClient(lake)
    one, two = client.create_experiment("one"), client.create_experiment("two")
    text = {"mlflow.experimentId": {"stringValue": one}}
    assert post(request_of(span(1), **text)).status == 200
    assert post(request_of(span(2), **text), x_mlflow_experiment_id=two).status == 200
    assert post(request_of(span(3)), x_mlflow_experiment_id=one).status == 200
    assert post(request_of(span(4))).status == 200
    whole = {"mlflow.experimentId": {"intValue": "0"}}
    assert post(request_of(span(5), **whole)).status == 200
    assert [row["experiment_id"] for row in rows()] == [one, two, one, "0", "0"]


def test_the_option_names_an_experiment_that_is_made(lake, span, request_of):
    with receiving(lake, experiment="from outside") as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        body = json.dumps(request_of(span()))
        connection.request("POST", "/v1/traces", body, {"Content-Type": JSON})
        assert connection.getresponse().status == 200
        connection.close()
    client = LakeflowClient(lake)
    wanted = client.get_experiment_by_name("from outside").experiment_id
    import lakeflow

    found = lakeflow.sql("SELECT experiment_id FROM spans", tracking_uri=lake).to_pylist()
    assert found == [{"experiment_id": wanted}]


@pytest.mark.parametrize(
    "hostile", ["404", "../../etc", "0' OR '1'='1", "a" * 5000, "\x1b[31m", " "]
)
def test_an_experiment_that_is_none_is_refused_and_named(post, rows, span, request_of, hostile):
    named = {"mlflow.experimentId": {"stringValue": hostile}}
    both = {
        "resourceSpans": [
            *request_of(span(1))["resourceSpans"],
            *request_of(span(2), **named)["resourceSpans"],
        ]
    }
    answer = post(both)
    assert answer.status == 400
    assert "no experiment has the id '" in answer.json["message"]
    assert answer.json["message"].isprintable()
    assert rows() == []


def test_a_deleted_experiment_takes_nothing(lake, post, span, request_of):
    client = LakeflowClient(lake)
    gone = client.create_experiment("gone")
    client.delete_experiment(gone)
    answer = post(request_of(span()), x_mlflow_experiment_id=gone)
    assert answer.status == 400
    assert f"'{gone}', or it is deleted" in answer.json["message"]


@pytest.mark.parametrize("is_there_a_file", [False, True])
def test_a_lake_that_is_gone_is_said_to_be_back_later(
    lake, post, span, request_of, is_there_a_file
):
    assert post(request_of(span(1))).status == 200
    shutil.rmtree(lake)
    if is_there_a_file:
        lake.write_text("not a folder")
    answer = post(request_of(span(2)))
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json["code"] == 14
    assert str(lake) not in answer.json["message"]


def test_under_pressure_clients_are_asked_to_come_again(url, post):
    host, port = url.removeprefix("http://").split(":")
    head = b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    slow = []
    for _ in range(receiver._MOST_REQUESTS):
        client = socket.create_connection((host, int(port)), timeout=60)
        client.sendall(head + b"Content-Length: 2\r\n\r\n{")
        slow.append(client)
    # Sent after them, and served in the order in which connections came.
    answer = post(b"{}")
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "1"
    assert answer.json["code"] == 8
    for client in slow:
        client.sendall(b"}")
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        client.close()
    assert post(b"{}").status == 200


def test_fifty_clients_at_once_lose_nothing(post, rows, span, request_of):
    def work(client):
        return [
            post(request_of(*(span(1000 * client + 10 * turn + n) for n in range(1, 6)))).status
            for turn in range(4)
        ]

    with ThreadPoolExecutor(50) as clients:
        statuses = list(clients.map(work, range(50)))
    assert statuses == [[200] * 4] * 50
    query = "SELECT count(*) AS n, count(DISTINCT span_id) AS ids FROM spans"
    assert rows(query) == [{"n": 1000, "ids": 1000}]


def test_it_counts_what_it_does(post, span, request_of):
    body = json.dumps(request_of(span(1), span(2), span(3, traceId=""))).encode()
    packed = gzip.compress(body)
    post(packed, Content_Encoding="gzip")
    post(b"{")
    post(b"{}", path="/nowhere" + "x" * 100)
    text = post(b"", path="/metrics", method="GET").body.decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    counts = dict(line.rsplit(" ", 1) for line in lines)
    seconds = counts.pop('lakeflow_otlp_request_seconds_total{path="/v1/traces"}')
    assert float(seconds) > 0
    counts.pop('lakeflow_otlp_request_seconds_total{path="other"}')
    assert counts == {
        'lakeflow_otlp_requests_total{path="/v1/traces",status="200"}': "1",
        'lakeflow_otlp_requests_total{path="/v1/traces",status="400"}': "1",
        'lakeflow_otlp_requests_total{path="other",status="404"}': "1",
        "lakeflow_otlp_received_bytes_total": str(len(packed) + 1),
        "lakeflow_otlp_body_bytes_total": str(len(body) + 1),
        'lakeflow_otlp_spans_total{outcome="taken"}': "2",
        'lakeflow_otlp_spans_total{outcome="refused"}': "1",
    }

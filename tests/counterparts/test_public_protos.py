"""Public trees of `.proto` files: Google's common types and OpenTelemetry's, as files of several roots, as
descriptor sets, and as grpcio describes them by reflection."""

import concurrent.futures
import json
import pathlib
import tempfile
import threading
import unittest

import grpc
import grpc_tools
from google.api import annotations_pb2
from google.longrunning import operations_proto_pb2 as operations
from google.protobuf import descriptor_pb2, empty_pb2, json_format
from grpc_reflection.v1alpha import reflection
from grpc_tools import protoc
from harness import PROTOS, run, run_one, scenario
from library.v1 import library_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

# Where Google's files lie.
COMMON = pathlib.Path(annotations_pb2.__file__).parents[2]
# Where those lie that come with protobuf.
WELL_KNOWN = pathlib.Path(grpc_tools.__file__).parent / "_proto"
LIBRARY = PROTOS / "library" / "v1" / "library.proto"
LOAD = {"closed": {"users": 2, "iterations_per_user": 10}}
BOOK = {
    "parent": "shelves/1",
    "price": {"currencyCode": "EUR", "units": "-12", "nanos": -500_000_000},
    "published": {"year": 1605, "month": 1},
    "read": {"year": 2024, "hours": 24, "utcOffset": "-34200s"},
    "places": [{"latitude": -0.5, "longitude": 180}],
    "condition": {"code": 9, "details": [{"@type": "type.googleapis.com/google.type.Money", "units": "1"}]},
    "cover": {"contentType": "image/png", "data": "iVBORw==", "extensions": []},
}
SPANS = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeSpans": [
                {
                    "scope": {"name": "loadgen", "version": "1"},
                    "spans": [
                        {
                            "traceId": "W47/95gDgQPSaYt/xxVAAg==",
                            "spanId": "6v/v/v/v/v8=",
                            "name": "find",
                            "kind": "SPAN_KIND_CLIENT",
                            "startTimeUnixNano": str(2**64 - 1),
                            "endTimeUnixNano": "0",
                            "flags": 257,
                            "attributes": [
                                {"key": "n", "value": {"intValue": str(-(2**63))}},
                                {"key": "none", "value": {}},
                                {"key": "raw", "value": {"bytesValue": "AP8="}},
                                {
                                    "key": "all",
                                    "value": {
                                        "kvlistValue": {
                                            "values": [
                                                {"key": "deep", "value": {"arrayValue": {"values": [{"boolValue": False}, {"doubleValue": "NaN"}]}}}
                                            ]
                                        }
                                    },
                                },
                            ],
                            "events": [{"timeUnixNano": 1, "name": "seen"}],
                            "status": {"code": "STATUS_CODE_ERROR", "message": "№"},
                        }
                    ],
                }
            ],
            "schemaUrl": "https://opentelemetry.io/schemas/1.4.0",
        }
    ]
}


class Public:
    """Serves methods of services that others have described. Use it in a `with`."""

    def __init__(self):
        self._lock = threading.Lock()
        self.taken = []
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=8), options=[("grpc.so_reuseport", 0)])
        self._serve("library.v1.Library", "Order", library_pb2.Book, self._order)
        self._serve("google.longrunning.Operations", "WaitOperation", operations.WaitOperationRequest, self._wait)
        request = trace_service_pb2.ExportTraceServiceRequest
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        self._serve(service, "Export", request, lambda _: trace_service_pb2.ExportTraceServiceResponse())
        names = ["library.v1.Library", service, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def _serve(self, service, method, request, answer):
        def handle(message, _):
            with self._lock:
                self.taken.append(message)
            return answer(message)

        handler = grpc.unary_unary_rpc_method_handler(handle, request.FromString, lambda it: it.SerializeToString())
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))

    @staticmethod
    def _order(book):
        receipt = library_pb2.Receipt(published=book.published)
        receipt.book.Pack(book)
        return receipt

    @staticmethod
    def _wait(request):
        done = operations.Operation(name=request.name, done=True)
        done.response.Pack(empty_pb2.Empty())
        return done

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(grace=1).wait()


def descriptor_set(*files):
    """These files with all that they import, as they were compiled."""
    found = {}

    def add(file):
        if file.name not in found:
            for dependency in file.dependencies:
                add(dependency)
            found[file.name] = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)

    for file in files:
        add(file)
    return descriptor_pb2.FileDescriptorSet(file=found.values()).SerializeToString()


class PublicProtos(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Public())
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def assert_sent(self, step, protos, *messages):
        """This step, described in this way, sends these messages."""
        self.server.taken.clear()
        fields = {"protos": [str(it) for it in protos]} if protos else {}
        found = run_one(scenario("public", self.server.address, step, load=LOAD, **fields))
        self.assertEqual(found["outcomes"], {"ok": 20}, found["failures"])
        written = lambda it: it.SerializeToString(deterministic=True)
        expected = [written(it) for it in messages] * (20 // len(messages))
        self.assertEqual(sorted(map(written, self.server.taken)), sorted(expected))

    def test_googles_common_types(self):
        step = {
            "name": "order",
            "grpc": {"method": "library.v1.Library/Order", "message": BOOK},
            "check": [
                "reply.book.parent == 'shelves/1'",
                "reply.book.condition.details[0]['@type'] == 'type.googleapis.com/google.type.Money'",
                "reply.published.year == 1605",
            ],
        }
        book = json_format.ParseDict(BOOK, library_pb2.Book())
        compiled = self.folder / "library.binpb"
        roots = [f"--proto_path={it}" for it in (PROTOS, COMMON, WELL_KNOWN)]
        flags = ["--include_imports", f"--descriptor_set_out={compiled}", str(LIBRARY)]
        self.assertEqual(protoc.main(["protoc", *roots, *flags]), 0)
        alone = self.folder / "alone.binpb"
        flags = [f"--descriptor_set_out={alone}", str(LIBRARY)]
        self.assertEqual(protoc.main(["protoc", *roots, *flags]), 0)
        ways = {
            "files of two roots": [PROTOS, LIBRARY, COMMON],
            "the roots first": [COMMON, PROTOS, LIBRARY],
            "a set": [compiled],
            "a set and the root of what it lacks": [alone, COMMON],
            "reflection": [],
        }
        for name, protos in ways.items():
            with self.subTest(name):
                self.assert_sent(step, protos, book)

    def test_a_root_is_missing(self):
        step = {"grpc": {"method": "library.v1.Library/Order", "message": BOOK}}
        plan = scenario("public", self.server.address, step, load=LOAD, protos=[str(PROTOS), str(LIBRARY)])
        said = run(plan, expect=104)
        for part in ("library.proto", "google/api/annotations.proto", str(PROTOS)):
            self.assertIn(part, said)
        self.assertEqual(self.server.taken, [])

    def test_the_whole_tree(self):
        """Every file of it, and a method that one of them has."""
        files = sorted(COMMON.joinpath("google").rglob("*.proto"))
        self.assertGreater(len(files), 60)
        step = {
            "name": "wait",
            "grpc": {
                "method": "google.longrunning.Operations/WaitOperation",
                "message": {"name": "operations/{{ iteration % 2 }}", "timeout": "0.5s"},
            },
            "check": ["reply.name == 'operations/' ~ iteration % 2", "reply.done"],
        }
        request = operations.WaitOperationRequest
        messages = [json_format.ParseDict({"name": f"operations/{n}", "timeout": "0.5s"}, request()) for n in (0, 1)]
        self.assert_sent(step, [COMMON, *files], *messages)

    def test_opentelemetry(self):
        step = {
            "name": "export",
            "grpc": {
                "method": "opentelemetry.proto.collector.trace.v1.TraceService/Export",
                "message": SPANS,
                "compression": "gzip",
            },
        }
        file = trace_service_pb2.DESCRIPTOR
        whole = self.folder / "otlp.binpb"
        whole.write_bytes(descriptor_set(file))
        # A file in a language that people write, on top of a set.
        text = self.folder / "mine.proto"
        text.write_text(
            'edition = "2023"; import "opentelemetry/proto/trace/v1/trace.proto";\n'
            "message Mine { opentelemetry.proto.trace.v1.Span span = 1; }\n",
            encoding="utf-8",
        )
        spans = json_format.Parse(json.dumps(SPANS), trace_service_pb2.ExportTraceServiceRequest())
        for name, protos in {"a set": [whole], "a set below a file": [text, whole], "reflection": []}.items():
            with self.subTest(name):
                self.assert_sent(step, protos, spans)
        step["grpc"]["message"] = json.loads(json.dumps(SPANS).replace('"find"', '"find {{ iteration % 2 }}"'))
        messages = []
        for n in (0, 1):
            spans.resource_spans[0].scope_spans[0].spans[0].name = f"find {n}"
            copy = type(spans)()
            copy.CopyFrom(spans)
            messages.append(copy)
        self.assert_sent(step, [whole], *messages)


if __name__ == "__main__":
    unittest.main()

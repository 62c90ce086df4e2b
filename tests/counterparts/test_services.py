"""What gRPC services offer beside their methods, as grpcio offers it: health, details of errors, descriptions,
compression of answers."""

import collections
import unittest

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status
from harness import Run, call, run, run_one, scenario, wait_for
from server import ITEM, Server
from shop.v1 import item_pb2

SHOP = "shop.v1.Shop"
FEW = {"closed": {"users": 2, "iterations": 20}}


def ask(service, **fields):
    """A step that asks for health."""
    return {"name": "alive", "grpc": {"health": service, **fields}}


class Asked(grpc.ServerInterceptor):
    """Counts how often each method is asked for."""

    def __init__(self):
        self.times = collections.Counter()

    def intercept_service(self, continuation, details):
        self.times[details.method] += 1
        return continuation(details)


class Health(unittest.TestCase):
    def test_what_each_status_is(self):
        cases = {
            "": "ok",
            SHOP: "ok",
            "shop.v1.Closed": "health.NOT_SERVING",
            "shop.v1.Undecided": "health.UNKNOWN",
            # What grpcio says of services that it has not heard of.
            "shop.v1.Nothing": "grpc.NOT_FOUND",
        }
        with Server() as server:
            server.health.set(SHOP, HealthCheckResponse.SERVING)
            server.health.set("shop.v1.Closed", HealthCheckResponse.NOT_SERVING)
            server.health.set("shop.v1.Undecided", HealthCheckResponse.UNKNOWN)
            plans = [
                scenario(f"case-{number}", server.address, ask(service), load=FEW)
                for number, service in enumerate(cases)
            ]
            document = run(*plans)
        for found, (service, outcome) in zip(document["scenarios"], cases.items()):
            with self.subTest(service):
                self.assertEqual(found["outcomes"], {"ok": 0, outcome: 20})

    def test_a_service_that_ails(self):
        """Which of the services is asked comes from an expression, and a condition is about the answer."""
        load = {"open": {"rate": "50/s", "duration": "3s"}}
        asked = Asked()
        with Server(interceptors=[asked]) as server:
            server.health.set(SHOP, HealthCheckResponse.SERVING)
            plan = scenario("Shop", server.address, ask("shop.v1.{{ scenario }}"), load=load)
            plan["thresholds"] = ["outcomes.health.NOT_SERVING == 0"]
            with Run(plan) as running:
                wait_for("the load", lambda: asked.times["/grpc.health.v1.Health/Check"] > 20)
                server.health.set(SHOP, HealthCheckResponse.NOT_SERVING)
                (found,) = running.result(expect=99)["scenarios"]
        outcomes = found["outcomes"]
        self.assertEqual(outcomes.keys(), {"ok", "health.NOT_SERVING"})
        self.assertEqual(sum(outcomes.values()), 150)
        self.assertEqual(asked.times["/grpc.health.v1.Health/Check"], 150)
        self.assertGreater(outcomes["ok"], 20)
        (failure,) = found["failures"]
        self.assertIn("NOT_SERVING", failure["example"])

    def test_a_server_that_knows_no_health(self):
        with Server(healthy=False) as server:
            found = run_one(scenario("alive", server.address, ask(""), load=FEW))
        self.assertEqual(found["outcomes"], {"ok": 0, "grpc.UNIMPLEMENTED": 20})


class Detailed(grpc.ServerInterceptor):
    """Refuses every call with these details."""

    def __init__(self, *details):
        packed = [any_pb2.Any() for _ in details]
        for into, detail in zip(packed, details):
            if isinstance(detail, any_pb2.Any):
                into.CopyFrom(detail)
            else:
                into.Pack(detail)
        status = status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message="no: №", details=packed)
        self._status = rpc_status.to_status(status)

    def intercept_service(self, continuation, details):
        if not details.method.startswith("/shop."):
            return continuation(details)
        return grpc.unary_unary_rpc_method_handler(lambda _, context: context.abort_with_status(self._status))


class Details(unittest.TestCase):
    def example(self, *details):
        """What a failure with these details looks like."""
        with Server(interceptors=[Detailed(*details)]) as server:
            found = run_one(scenario("find", server.address, call("Find", ITEM), load=FEW))
        self.assertEqual(found["outcomes"], {"ok": 0, "grpc.FAILED_PRECONDITION": 20})
        (failure,) = found["failures"]
        self.assertIn("no: №", failure["example"])
        return failure["example"]

    def test_the_usual_ones(self):
        violation = error_details_pb2.BadRequest.FieldViolation(field="sku", description="unknown")
        said = self.example(
            error_details_pb2.ErrorInfo(reason="STOCKOUT", domain="shop.test", metadata={"sku": "tea"}),
            error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1, nanos=500_000_000)),
            error_details_pb2.BadRequest(field_violations=[violation]),
            error_details_pb2.LocalizedMessage(locale="uk", message="немає"),
            error_details_pb2.Help(links=[error_details_pb2.Help.Link(description="d", url="https://x.test")]),
        )
        for part in (
            'ErrorInfo {"reason":"STOCKOUT","domain":"shop.test","metadata":{"sku":"tea"}}',
            'RetryInfo {"retryDelay":"1.500s"}',
            'BadRequest {"fieldViolations":[{"field":"sku","description":"unknown"}]}',
            'LocalizedMessage {"locale":"uk","message":"немає"}',
            'Help {"links":[{"description":"d","url":"https://x.test"}]}',
        ):
            self.assertIn(part, said)

    def test_ones_own_and_unknown_and_many(self):
        unknown = any_pb2.Any(type_url="x.test/shop.v1.Nothing", value=b"\x08\x01")
        said = self.example(
            item_pb2.Item(id="tea", stock={"north": 2**63 - 1}),
            unknown,
            *[error_details_pb2.RequestInfo(request_id=str(number)) for number in range(5)],
        )
        self.assertIn('shop.v1.Item {"id":"tea","stock":{"north":"9223372036854775807"}}', said)
        self.assertIn("shop.v1.Nothing, 2 bytes", said)
        self.assertIn('RequestInfo {"requestId":"2"}', said)
        self.assertNotIn('"requestId":"3"', said)
        self.assertIn("and 2 more", said)


class Guarded(grpc.ServerInterceptor):
    """Answers nobody without the token, and counts whom it refused by the method."""

    def __init__(self):
        self.refused = set()

    def intercept_service(self, continuation, details):
        if ("authorization", "Bearer 0123") in details.invocation_metadata:
            return continuation(details)
        self.refused.add(details.method)
        handler = continuation(details)
        kind = "stream_stream" if handler and handler.request_streaming else "unary_unary"

        def refuse(_, context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

        return getattr(grpc, f"{kind}_rpc_method_handler")(refuse)


class Newer(grpc.ServerInterceptor):
    """Knows version 1 of reflection only, whose messages are those of its elder."""

    PREFIX = "/grpc.reflection."

    def __init__(self):
        self.asked = []

    def intercept_service(self, continuation, details):
        if not details.method.startswith(self.PREFIX):
            return continuation(details)
        version = details.method.removeprefix(self.PREFIX).partition(".")[0]
        self.asked.append(version)
        if version != "v1":
            return None
        return continuation(details._replace(method=details.method.replace(".v1.", ".v1alpha.")))


class Reflection(unittest.TestCase):
    def test_behind_a_token(self):
        guard = Guarded()
        with Server(interceptors=[guard]) as server:
            plan = scenario("find", server.address, call("Find", ITEM), load=FEW)
            said = run(plan, expect=104)
            self.assertEqual(server.shop.counts(), {})
            for part in ("reflection", "UNAUTHENTICATED", "who are you?", "metadata"):
                self.assertIn(part, said)
            self.assertTrue(all(".reflection." in it for it in guard.refused), guard.refused)
            found = run_one({**plan, "metadata": {"authorization": "Bearer 0123"}})
            self.assertEqual(server.shop.counts(), {"find": 20})
        self.assertEqual(found["outcomes"], {"ok": 20})

    def test_the_newer_version_alone(self):
        newer = Newer()
        with Server(interceptors=[newer]) as server:
            found = run_one(scenario("find", server.address, call("Find", ITEM), load=FEW))
        self.assertEqual(found["outcomes"], {"ok": 20})
        self.assertEqual(set(newer.asked), {"v1"})


class Compression(unittest.TestCase):
    def test_both_ways(self):
        """Streams too, message by message; the server compresses for those who can read it."""
        step = {"text": "grüße " * 5000}
        plain = 20 * 3 * len(step["text"].encode())
        bytes_of = {}
        for compression in (None, "gzip"):
            fields = {"compression": compression} if compression else {}
            with Server(compression=grpc.Compression.Gzip) as server:
                talk = call("Talk", step, repeat=3, **fields)
                found = run_one(
                    scenario("talk", server.address, {**talk, "check": [f"reply.text|length == {len(step['text'])}"]}, load=FEW)
                )
                self.assertEqual(server.shop.counts(), {"talk": 20, "talk_received": 60})
            self.assertEqual(found["outcomes"], {"ok": 20}, found["failures"])
            bytes_of[compression] = found["bytes"]
        self.assertGreater(bytes_of[None]["sent"], plain)
        for way in ("sent", "received"):
            self.assertLess(bytes_of["gzip"][way], plain / 20)


if __name__ == "__main__":
    unittest.main()

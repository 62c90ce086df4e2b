"""Calls that are made again, targets that get none and choices among targets, as grpcio's servers see them."""

import collections
import threading
import unittest

import grpc
from grpc_health.v1 import health_pb2
from harness import call, run_one, scenario
from server import ITEM, Server

POLICY = {
    "max_attempts": 3,
    "initial_backoff": "1ms",
    "max_backoff": "2ms",
    "backoff_multiplier": 2,
    "retryable_status_codes": ["UNAVAILABLE"],
}


class Flaky(grpc.ServerInterceptor):
    """Refuses the first so many attempts at each call, and counts attempts by how many they say came before."""

    def __init__(self, refused, pushback=None):
        self._lock = threading.Lock()
        self._refused = refused
        self._pushback = pushback
        self.attempts = collections.Counter()

    def intercept_service(self, continuation, details):
        if not details.method.startswith("/shop."):
            return continuation(details)
        previous = int(dict(details.invocation_metadata).get("grpc-previous-rpc-attempts", "0"))
        with self._lock:
            self.attempts[previous] += 1
        if previous >= self._refused:
            return continuation(details)

        def refuse(_, context):
            if self._pushback is not None:
                context.set_trailing_metadata((("grpc-retry-pushback-ms", self._pushback),))
            context.abort(grpc.StatusCode.UNAVAILABLE, "try later")

        return grpc.unary_unary_rpc_method_handler(refuse)


class MadeAgain(unittest.TestCase):
    def found(self, flaky):
        with Server(interceptors=[flaky]) as server:
            return run_one(scenario("find", server.address, call("Find", ITEM), retry=POLICY))

    def test_the_third_attempt_is_ok(self):
        flaky = Flaky(refused=2)
        found = self.found(flaky)
        self.assertEqual(found["outcomes"], {"ok": 400})
        self.assertEqual(flaky.attempts, {0: 400, 1: 400, 2: 400})
        retries = found["retries"]
        self.assertEqual((retries["attempts"], retries["ok"], retries["failed"]), (800, 400, 0))
        self.assertEqual(retries["outcomes"], {"grpc.UNAVAILABLE": 800})
        self.assertEqual(sum(retries["backends"].values()), 800)

    def test_the_third_attempt_is_the_last(self):
        flaky = Flaky(refused=3)
        found = self.found(flaky)
        self.assertEqual(found["outcomes"], {"ok": 0, "grpc.UNAVAILABLE": 400})
        self.assertEqual(flaky.attempts, {0: 400, 1: 400, 2: 400})
        retries = found["retries"]
        self.assertEqual((retries["attempts"], retries["ok"], retries["failed"]), (800, 0, 400))

    def test_the_server_says_when(self):
        flaky = Flaky(refused=1, pushback="0")
        self.assertEqual(self.found(flaky)["retries"]["ok"], 400)
        self.assertEqual(flaky.attempts, {0: 400, 1: 400})
        flaky = Flaky(refused=1, pushback="-1")
        self.assertEqual(self.found(flaky)["retries"]["attempts"], 0)
        self.assertEqual(flaky.attempts, {0: 400})


class Targets(unittest.TestCase):
    def test_one_that_is_not_in_health_gets_no_calls(self):
        with Server() as sick, Server() as well:
            sick.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
            plan = scenario("find", sick.address, call("Find", ITEM), health_check={"every": "50ms"})
            plan["targets"].append(well.address)
            found = run_one(plan)
            self.assertEqual(found["outcomes"], {"ok": 400})
            self.assertEqual(sick.shop.counts(), {})
            self.assertEqual(well.shop.counts(), {"find": 400})
            (standing,) = found["standings"]
            self.assertEqual((standing["peer"], standing["to"]), (sick.address, "not_serving"))
            self.assertIn("NOT_SERVING", standing["reason"])

    def test_one_without_a_health_service_gets_calls(self):
        with Server(healthy=False) as server:
            plan = scenario("find", server.address, call("Find", ITEM), health_check={})
            found = run_one(plan)
            self.assertEqual(found["outcomes"], {"ok": 400})
            (standing,) = found["standings"]
            self.assertIn("UNIMPLEMENTED", standing["reason"])

    def test_weights(self):
        with Server() as one, Server() as three:
            plan = scenario("find", one.address, call("Find", ITEM))
            plan["targets"].append(three.address)
            plan["pick"] = {"weights": {one.address: 1, three.address: 3}}
            found = run_one(plan, flags=("--workers", "1"))
            self.assertEqual(found["outcomes"], {"ok": 400})
            self.assertEqual(one.shop.counts(), {"find": 100})
            self.assertEqual(three.shop.counts(), {"find": 300})

    def test_a_breaker_leaves_a_broken_one_alone(self):
        flaky = Flaky(refused=1)
        with Server(interceptors=[flaky]) as broken, Server() as well:
            plan = scenario("find", broken.address, call("Find", ITEM))
            plan["targets"].append(well.address)
            plan["load"] = {"closed": {"users": 1, "iterations": 400}}
            plan["circuit_breaker"] = {"failures": 5, "open_for": "1m"}
            found = run_one(plan)
            self.assertEqual(found["outcomes"], {"ok": 395, "grpc.UNAVAILABLE": 5})
            self.assertEqual(flaky.attempts, {0: 5})
            (standing,) = found["standings"]
            self.assertEqual((standing["from"], standing["to"]), ("closed", "open"))


if __name__ == "__main__":
    unittest.main()

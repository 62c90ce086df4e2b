"""The counterpart itself, asked by its own maker's client: what it counts can be relied on."""

import unittest

import grpc
from google.protobuf import json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from server import IDENTITY, ITEM, STATUS_MESSAGE, Server
from shop.v1 import item_pb2, shop_pb2, shop_pb2_grpc


class Counterpart(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server())
        self.channel = self.enterContext(grpc.insecure_channel(self.server.address))
        self.shop = shop_pb2_grpc.ShopStub(self.channel)

    def test_unary(self):
        item = json_format.ParseDict(ITEM, item_pb2.Item())
        reply, call = self.shop.Find.with_call(item, metadata=(("x-tenant", "counterparts"),))
        self.assertEqual(reply, item)
        self.assertEqual(dict(call.initial_metadata())["x-loadgen-backend"], IDENTITY)
        with self.assertRaises(grpc.RpcError) as refused:
            self.shop.Find(item_pb2.Item(id="another"))
        self.assertEqual(refused.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(self.server.shop.counts(), {"find": 2, "tenant": 1, "find_other": 1})

    def test_streams(self):
        self.assertEqual(len(list(self.shop.List(shop_pb2.ListRequest(count=7)))), 7)
        items = (item_pb2.Item(id=str(number)) for number in range(5))
        self.assertEqual(self.shop.Order(items).items, 5)
        lines = [shop_pb2.Line(text=text) for text in ("a", "b", "c")]
        self.assertEqual(list(self.shop.Talk(iter(lines))), lines)
        counts = self.server.shop.counts()
        expected = {"list": 1, "list_sent": 7, "order": 1, "order_received": 5}
        self.assertEqual(counts, {**expected, "talk": 1, "talk_received": 3})

    def test_errors(self):
        request = shop_pb2.FailRequest(code=5, every=2)
        self.shop.Fail(request)
        with self.assertRaises(grpc.RpcError) as refused:
            self.shop.Fail(request)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.assertEqual(refused.exception.details(), STATUS_MESSAGE)
        self.assertEqual(self.server.shop.counts(), {"fail_NOT_FOUND": 2, "failed_NOT_FOUND": 1})

    def test_reflection_and_health(self):
        services = ProtoReflectionDescriptorDatabase(self.channel).get_services()
        self.assertIn("shop.v1.Shop", services)
        health = health_pb2_grpc.HealthStub(self.channel)
        reply = health.Check(health_pb2.HealthCheckRequest())
        self.assertEqual(reply.status, health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    unittest.main()

"""A gRPC server that is not ours: grpcio's, with reflection and health checking.

It counts what it is asked, so that the generator's books can be held against somebody else's.
By itself it serves until it is interrupted: `python server.py [PORT]`.
"""

import collections
import concurrent.futures
import sys
import threading
import time

import grpc
from google.protobuf import json_format
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from shop.v1 import item_pb2, shop_pb2, shop_pb2_grpc

# What the tests send to Find, in protobuf's JSON form. It has a field of each awkward kind.
ITEM = {
    "id": "кни́га-7",
    "size": "SIZE_LARGE",
    "tags": ["paper", "", "used"],
    "stock": {"north": "9007199254740993", "south": "-1"},
    "picture": "AP/+gA==",
}
# How the server names itself to whoever wants to know who answered.
IDENTITY = "shop-1"
STATUS_MESSAGE = "out of stock: №7"


class Shop(shop_pb2_grpc.ShopServicer):
    """The service, and its own count of everything."""

    def __init__(self):
        self._lock = threading.Lock()
        self._counts = collections.Counter()
        self._item = json_format.ParseDict(ITEM, item_pb2.Item())

    def counts(self):
        with self._lock:
            return collections.Counter(self._counts)

    def _count(self, **deltas):
        with self._lock:
            self._counts.update(deltas)
            return collections.Counter(self._counts)

    def Find(self, request, context):
        self._count(find=1)
        metadata = dict(context.invocation_metadata())
        if metadata.get("x-tenant") == "counterparts":
            self._count(tenant=1)
        context.send_initial_metadata((("x-loadgen-backend", IDENTITY),))
        if request != self._item:
            self._count(find_other=1)
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not the item that the tests send")
        return request

    def List(self, request, context):
        self._count(list=1)
        for number in range(request.count):
            self._count(list_sent=1)
            yield item_pb2.Item(id=str(number))

    def Order(self, requests, context):
        self._count(order=1)
        items = 0
        for _ in requests:
            items += 1
            self._count(order_received=1)
        return shop_pb2.Receipt(items=items)

    def Talk(self, requests, context):
        self._count(talk=1)
        for line in requests:
            self._count(talk_received=1)
            yield line

    def Fail(self, request, context):
        code = CODES[request.code]
        key = f"fail_{code.name}"
        nth = self._count(**{key: 1})[key]
        if nth % request.every == 0:
            self._count(**{f"failed_{code.name}": 1})
            context.abort(code, STATUS_MESSAGE)
        return item_pb2.Item()

    def Wait(self, request, context):
        self._count(wait=1)
        remaining = context.time_remaining()
        if remaining is not None and remaining < 3600:
            self._count(wait_with_deadline=1)
        time.sleep(request.duration.ToTimedelta().total_seconds())
        return item_pb2.Item()


CODES = {code.value[0]: code for code in grpc.StatusCode}


class Server:
    """The server on a loopback port; port 0 takes a free one. Use it in a `with`."""

    def __init__(
        self,
        *,
        port=0,
        reflected=True,
        healthy=True,
        credentials=None,
        options=(),
        interceptors=(),
        compression=None,
    ):
        self.shop = Shop()
        # How services are: what it says is what the health protocol says.
        self.health = health.HealthServicer()
        self._server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(max_workers=64),
            options=[("grpc.so_reuseport", 0), *options],
            interceptors=interceptors,
            compression=compression,
        )
        shop_pb2_grpc.add_ShopServicer_to_server(self.shop, self._server)
        names = [shop_pb2.DESCRIPTOR.services_by_name["Shop"].full_name, health.SERVICE_NAME]
        self.health.set("", health_pb2.HealthCheckResponse.SERVING)
        if healthy:
            health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        if reflected:
            reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], self._server)
        address = f"127.0.0.1:{port}"
        if credentials is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, credentials)
        self.address = f"127.0.0.1:{port}"

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(grace=1).wait()

    def wait(self):
        self._server.wait_for_termination()


if __name__ == "__main__":
    with Server(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as server:
        print(f"listening on {server.address}", flush=True)
        try:
            server.wait()
        except KeyboardInterrupt:
            print(dict(server.shop.counts()))

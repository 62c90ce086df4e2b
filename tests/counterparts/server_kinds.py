"""A gRPC service that answers each message as it came and keeps it, byte for byte, by grpcio."""

import concurrent.futures

import grpc
from grpc_reflection.v1alpha import reflection
from kinds.v1 import edition_pb2, kinds_pb2, two_pb2

NAME = kinds_pb2.DESCRIPTOR.services_by_name["Kinds"].full_name
TYPES = {"Three": kinds_pb2.Three, "Two": two_pb2.Two, "Edition": edition_pb2.Edition}


class KindsServer:
    """The server on a free loopback port. Use it in a `with`."""

    def __init__(self):
        # The method and the message of each call, in their order.
        self.taken = []
        self._server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(max_workers=8),
            options=[("grpc.so_reuseport", 0)],
        )
        methods = {name: grpc.unary_unary_rpc_method_handler(self._keep(name)) for name in TYPES}
        handler = grpc.method_handlers_generic_handler(NAME, methods)
        self._server.add_generic_rpc_handlers((handler,))
        reflection.enable_server_reflection([NAME, reflection.SERVICE_NAME], self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def _keep(self, name):
        def keep(request, context):
            self.taken.append((name, request))
            # As another encoder writes it.
            return TYPES[name].FromString(request).SerializeToString()

        return keep

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(grace=1).wait()

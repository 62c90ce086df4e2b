"""`loadgen serve grpc`, asked by clients of other people's making: grpcio's, and h2load."""

import pathlib
import re
import subprocess
import tempfile
import unittest

import grpc
import trustme
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from harness import PATIENCE, Serve, tool
from loadgen.v1 import loadgen_pb2, loadgen_pb2_grpc


class Grpcio(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Serve("--id", "here-1"))
        cls.channel = cls.enterClassContext(grpc.insecure_channel(cls.server.address))
        cls.greeter = loadgen_pb2_grpc.GreeterStub(cls.channel)

    def test_hello(self):
        reply, call = self.greeter.Hello.with_call(
            loadgen_pb2.HelloRequest(name="wörld"), timeout=PATIENCE
        )
        self.assertIn("wörld", reply.message)
        self.assertEqual(reply.backend.id, "here-1")
        self.assertEqual(dict(call.initial_metadata())["x-loadgen-backend"], "here-1")

    def test_compute(self):
        request = loadgen_pb2.ComputeRequest(rounds=1000)
        first, second = self.greeter.Compute(request), self.greeter.Compute(request)
        self.assertEqual(first.result, second.result)

    def test_echo(self):
        for size in (0, 1, 1024, 1 << 20):
            payload = bytes(number % 251 for number in range(size))
            reply = self.greeter.Echo(loadgen_pb2.EchoRequest(payload=payload), timeout=PATIENCE)
            self.assertEqual(reply.payload, payload)

    def test_stream(self):
        request = loadgen_pb2.StreamRequest(count=25, interval_us=1000, payload_bytes=100)
        replies = list(self.greeter.Stream(request, timeout=PATIENCE))
        self.assertEqual([reply.sequence for reply in replies], list(range(25)))
        self.assertEqual({len(reply.payload) for reply in replies}, {100})

    def test_collect(self):
        requests = (loadgen_pb2.EchoRequest(payload=b"x" * size) for size in (1, 2, 3))
        reply = self.greeter.Collect(requests, timeout=PATIENCE)
        self.assertEqual((reply.messages, reply.bytes), (3, 6))

    def test_chat(self):
        messages = [loadgen_pb2.ChatMessage(text=text) for text in ("one", "two", "three")]
        replies = list(self.greeter.Chat(iter(messages), timeout=PATIENCE))
        self.assertEqual([reply.text for reply in replies], ["one", "two", "three"])

    def test_many_calls_at_once(self):
        calls = [self.greeter.Hello.future(loadgen_pb2.HelloRequest()) for _ in range(500)]
        self.assertEqual({call.result(PATIENCE).backend.id for call in calls}, {"here-1"})

    def test_health(self):
        health = health_pb2_grpc.HealthStub(self.channel)
        for service in ("", "loadgen.v1.Greeter"):
            reply = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE)
            self.assertEqual(reply.status, health_pb2.HealthCheckResponse.SERVING, service)

    def test_reflection(self):
        database = ProtoReflectionDescriptorDatabase(self.channel)
        self.assertIn("loadgen.v1.Greeter", database.get_services())
        # A client that knows nothing but the server's own description of itself.
        pool = descriptor_pool.DescriptorPool(database)
        hello = pool.FindServiceByName("loadgen.v1.Greeter").FindMethodByName("Hello")
        request = message_factory.GetMessageClass(hello.input_type)
        reply = message_factory.GetMessageClass(hello.output_type)
        ask = self.channel.unary_unary(
            "/loadgen.v1.Greeter/Hello", request.SerializeToString, reply.FromString
        )
        self.assertIn("you", ask(request(name="you"), timeout=PATIENCE).message)

    def test_unknown_method(self):
        ask = self.channel.unary_unary("/loadgen.v1.Greeter/Nothing", bytes, bytes)
        with self.assertRaises(grpc.RpcError) as refused:
            ask(b"", timeout=PATIENCE)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_compressed(self):
        payload = b"\0" * 50_000
        request = loadgen_pb2.EchoRequest(payload=payload)
        reply = self.greeter.Echo(request, timeout=PATIENCE, compression=grpc.Compression.Gzip)
        self.assertEqual(reply.payload, payload)


class Servers(unittest.TestCase):
    """Servers with flags of their own."""

    def test_errors_on_purpose(self):
        flags = ["--error-rate", "100%", "--error-code", "RESOURCE_EXHAUSTED"]
        with Serve(*flags) as server, grpc.insecure_channel(server.address) as channel:
            with self.assertRaises(grpc.RpcError) as refused:
                loadgen_pb2_grpc.GreeterStub(channel).Hello(loadgen_pb2.HelloRequest())
            self.assertEqual(refused.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)

    def test_tls(self):
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        trusted = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        with (
            certificate.private_key_and_cert_chain_pem.tempfile() as pem,
            Serve("--tls-cert", pem, "--tls-key", pem) as server,
            grpc.secure_channel(server.address, trusted) as channel,
        ):
            greeter = loadgen_pb2_grpc.GreeterStub(channel)
            reply = greeter.Hello(loadgen_pb2.HelloRequest(name="you"), timeout=PATIENCE)
            self.assertIn("you", reply.message)

    def test_ends_gracefully(self):
        with Serve() as server, grpc.insecure_channel(server.address) as channel:
            greeter = loadgen_pb2_grpc.GreeterStub(channel)
            request = loadgen_pb2.StreamRequest(count=5, interval_us=100_000)
            replies = greeter.Stream(request, timeout=PATIENCE)
            next(replies)
            code, took = server.terminate()
            # What was under way ended well.
            self.assertEqual(len(list(replies)), 4)
            self.assertEqual(code, 0)
            self.assertLess(took, 10)


class H2load(unittest.TestCase):
    def test_hello(self):
        message = loadgen_pb2.HelloRequest(name="world").SerializeToString()
        with Serve() as server, tempfile.TemporaryDirectory() as folder:
            body = pathlib.Path(folder, "hello")
            body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
            done = subprocess.run(
                [
                    *(tool("h2load"), "-n", "5000", "-c", "4", "-m", "16", "-d", body),
                    *("-H", "content-type: application/grpc", "-H", "te: trailers"),
                    f"http://{server.address}/loadgen.v1.Greeter/Hello",
                ],
                capture_output=True,
                timeout=PATIENCE,
                encoding="utf-8",
                check=True,
            )
        self.assertRegex(done.stdout, r"5000 succeeded, 0 failed, 0 errored")
        self.assertRegex(done.stdout, re.compile(r"^status codes: 5000 2xx", re.MULTILINE))


if __name__ == "__main__":
    unittest.main()

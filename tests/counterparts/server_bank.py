"""A gRPC service behind a login, by grpcio: what it is sent it keeps, to be looked at."""

import concurrent.futures
import itertools
import threading

import grpc
from bank.v1 import bank_pb2, bank_pb2_grpc
from grpc_reflection.v1alpha import reflection


class Bank(bank_pb2_grpc.BankServicer):
    """The service. Keeps the accounts that it took, and by which names people came."""

    def __init__(self):
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._owners = {}
        self.logins = []
        self.accounts = []
        self.refused = 0

    def Login(self, request, context):
        with self._lock:
            token = f"token-{next(self._numbers)}"
            self._owners[f"Bearer {token}"] = request.name
            self.logins.append(request.name)
        context.send_initial_metadata((("x-session", f"of {request.name}"),))
        context.set_trailing_metadata((("x-cost", "1"), ("x-cost", "2")))
        return bank_pb2.LoginReply(token=token)

    def Put(self, request, context):
        metadata = dict(context.invocation_metadata())
        with self._lock:
            owner = self._owners.get(metadata.get("authorization"))
            if owner is None or owner != request.owner:
                self.refused += 1
                context.abort(grpc.StatusCode.PERMISSION_DENIED, f"not {request.owner}'s")
            self.accounts.append(request)
        return request

    def Import(self, requests, context):
        taken = list(requests)
        with self._lock:
            self.accounts.extend(taken)
        return bank_pb2.Imported(
            accounts=len(taken), balance=sum(account.balance for account in taken)
        )

    def Watch(self, requests, context):
        for account in requests:
            with self._lock:
                self.accounts.append(account)
            yield bank_pb2.Account(owner=account.owner, balance=account.balance * 2)


class BankServer:
    """The server on a free loopback port. Use it in a `with`."""

    def __init__(self):
        self.bank = Bank()
        self._server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(max_workers=64),
            options=[("grpc.so_reuseport", 0)],
        )
        bank_pb2_grpc.add_BankServicer_to_server(self.bank, self._server)
        name = bank_pb2.DESCRIPTOR.services_by_name["Bank"].full_name
        reflection.enable_server_reflection([name, reflection.SERVICE_NAME], self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(grace=1).wait()

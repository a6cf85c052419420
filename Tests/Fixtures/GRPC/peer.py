"""Python's gRPC and protobuf as the other side: random messages of worker.proto go to our codec and come back.

peer.py PROTO ADDRESS serve SEED COUNT   a server: sends messages by /peer/Report and /peer/Order, and takes back what was made of them
peer.py PROTO ADDRESS call SEED COUNT    a client of such methods that send back what they made of it
"""

import concurrent.futures
import importlib
import pathlib
import random
import sys
import tempfile

import grpc
from grpc_tools import protoc

LETTERS = "abcXYZ 09_-/\n\"\\\0\x7fé€😀"


def compiled(proto):
    """The module that protoc makes of the file."""
    folder = tempfile.mkdtemp()
    if protoc.main(["protoc", f"-I{pathlib.Path(proto).parent}", f"--python_out={folder}", proto]) != 0:
        sys.exit("protoc does not take the file")
    sys.path.insert(0, folder)
    return importlib.import_module(pathlib.Path(proto).stem + "_pb2")


def text(draw):
    return "".join(draw.choice(LETTERS) for _ in range(draw.choice([0, 1, 7, 200])))


def integer(draw, bits, is_signed):
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
    return draw.choice([0, 1, lowest, highest, draw.randint(lowest, highest), min(highest, draw.getrandbits(draw.randint(1, bits)))])


def value(draw, field, make):
    kind = field.type
    if kind == field.TYPE_MESSAGE:
        return make(field.message_type)
    return {
        field.TYPE_STRING: lambda: text(draw), field.TYPE_BOOL: lambda: draw.random() < 0.5,
        field.TYPE_DOUBLE: lambda: draw.choice([0.0, -1.5, 1e300, 5e-324, float("inf"), draw.random()]),
        field.TYPE_INT32: lambda: integer(draw, 32, True), field.TYPE_INT64: lambda: integer(draw, 64, True),
        field.TYPE_UINT64: lambda: integer(draw, 64, False),
    }[kind]()


def filled(draw, kind):
    """A message with some of its fields, also such as hold nothing."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        if draw.random() < 0.4:
            continue
        if field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED:
            for _ in range(draw.randrange(4)):
                if field.type == field.TYPE_MESSAGE:
                    getattr(message, field.name).append(filled(draw, field.message_type._concrete_class))
                else:
                    getattr(message, field.name).append(value(draw, field, None))
        elif field.type == field.TYPE_MESSAGE:
            getattr(message, field.name).CopyFrom(filled(draw, field.message_type._concrete_class))
            getattr(message, field.name).SetInParent()
        else:
            setattr(message, field.name, value(draw, field, None))
    return message


def compared(kind, sent, came):
    back = kind.FromString(came)
    return "" if back == sent else f"sent\n{sent}\ncame\n{back}"


def serve(module, address, seed, count):
    def exchange(kind):
        def behave(requests, context):
            draw = random.Random(f"{seed} {kind.DESCRIPTOR.name}")
            for _ in range(count):
                sent = filled(draw, kind)
                yield sent.SerializeToString()
                difference = compared(kind, sent, next(requests))
                if difference:
                    context.abort(grpc.StatusCode.DATA_LOSS, difference[:2000])
        return grpc.stream_stream_rpc_method_handler(behave)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("peer", {
        name: exchange(getattr(module, name)) for name in ("Report", "Order")})])
    server.add_insecure_port(address)
    server.start()
    print("serving", flush=True)
    server.wait_for_termination()


def call(module, address, seed, count):
    channel = grpc.insecure_channel(address)
    for name in ("Report", "Order"):
        kind, draw = getattr(module, name), random.Random(f"{seed} {name}")
        messages = [filled(draw, kind) for _ in range(count)]
        answers = channel.stream_stream(f"/peer/{name}")(message.SerializeToString() for message in messages)
        for sent, came in zip(messages, answers, strict=True):
            difference = compared(kind, sent, came)
            if difference:
                sys.exit(difference)
    print("all the same", flush=True)


def main():
    proto, address, what, seed, count = sys.argv[1:]
    {"serve": serve, "call": call}[what](compiled(proto), address, int(seed), int(count))


main()

"""Asks a server of `mirror` and `sum` as Triton's own clients do: triton_client.py <http host:port> <grpc host:port>."""
import sys

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

types = {
    "BOOL": np.array([[True, False, True]]),
    "UINT8": np.array([[0, 1, 255]], np.uint8),
    "UINT16": np.array([[0, 1, 65535]], np.uint16),
    "UINT32": np.array([[0, 1, 2**32 - 1]], np.uint32),
    "UINT64": np.array([[0, 2**53 + 1, 2**64 - 1]], np.uint64),
    "INT8": np.array([[-128, 1, 127]], np.int8),
    "INT16": np.array([[-32768, 1, 32767]], np.int16),
    "INT32": np.array([[-(2**31), 1, 2**31 - 1]], np.int32),
    "INT64": np.array([[-(2**63), 2**53 + 1, 2**63 - 1]], np.int64),
    "FP16": np.array([[0.5, np.nan, np.inf]], np.float16),
    "FP32": np.array([[0.1, -0.0, 3.4e38]], np.float32),
    "FP64": np.array([[0.1, -0.0, 1.7e308]], np.float64),
    "BYTES": np.array([["", "Zürich 🎉", "x" * 1000]], dtype=object),
}


def same(name, sent, got):
    if name == "BYTES":
        got = np.array([[text.decode("utf8") if isinstance(text, bytes) else text for text in row] for row in got])
        assert (sent == got).all(), (name, sent, got)
    else:
        np.testing.assert_array_equal(sent, got, name)
        assert got.dtype == sent.dtype, (name, got.dtype)


def mirrored(module, client, **options):
    names = [name for name in types if not (options.get("json") and name == "FP16")]
    model = "json" if options.get("json") else "mirror"
    inputs, outputs = [], []
    for name in names:
        tensor = module.InferInput(f"in_{name}", list(types[name].shape), name)
        if module is http:
            tensor.set_data_from_numpy(types[name], binary_data=not options.get("json"))
            outputs.append(http.InferRequestedOutput(f"out_{name}", binary_data=not options.get("json")))
        else:
            tensor.set_data_from_numpy(types[name])
            outputs.append(grpc.InferRequestedOutput(f"out_{name}"))
        inputs.append(tensor)
    answer = client.infer(model, inputs, outputs=outputs, request_id="Ünïcode 🎉")
    for name in names:
        same(name, types[name], answer.as_numpy(f"out_{name}"))
    response = answer.get_response()
    assert (response["id"] if module is http else response.id) == "Ünïcode 🎉"


def refused(call, words):
    try:
        call()
    except InferenceServerException as error:
        assert words in error.message(), error.message()
        return error
    raise AssertionError(f"nothing was refused, expected: {words}")


def talk(module, client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("mirror") and client.is_model_ready("sum", "1")
    if module is http:
        server, model, index = (
            client.get_server_metadata(),
            client.get_model_metadata("sum"),
            client.get_model_repository_index(),
        )
    else:
        server, model, index = (
            client.get_server_metadata(as_json=True),
            client.get_model_metadata("sum", as_json=True),
            client.get_model_repository_index(as_json=True)["models"],
        )
    assert server["name"] == "esteira" and "binary_tensor_data" in server["extensions"]
    assert model["platform"] == "onnx_onnxv1" and model["inputs"][0]["name"] == "x", model
    assert [int(size) for size in model["inputs"][0]["shape"]] == [-1, 2]
    assert sorted(entry["name"] for entry in index) == ["json", "mirror", "sum"]
    assert all(entry["state"] == "READY" for entry in index)
    mirrored(module, client)
    x = module.InferInput("x", [2, 2], "FP32")
    x.set_data_from_numpy(np.array([[1, 2], [3, 4]], np.float32))
    for version in ("", "1"):
        assert client.infer("sum", [x], model_version=version).as_numpy("y").tolist() == [3, 7]
    refused(lambda: client.infer("nobody", [x]), "is not served here")
    refused(lambda: client.infer("sum", [x], model_version="9"), "version 9")
    x.set_shape([4, 1])
    refused(lambda: client.infer("sum", [x]), "[4,1], expected [rows, 2]")
    strange = module.InferInput("y", [1, 2], "FP32")
    strange.set_data_from_numpy(np.zeros((1, 2), np.float32))
    refused(lambda: client.infer("sum", [strange]), 'input "y" is unknown')


over_http = http.InferenceServerClient(sys.argv[1])
talk(http, over_http)
mirrored(http, over_http, json=True)
many = http.InferInput("x", [10_000, 2], "FP32")
many.set_data_from_numpy(np.ones((10_000, 2), np.float32))
assert (over_http.infer("sum", [many]).as_numpy("y") == 2).all()
asynchronous = [over_http.async_infer("sum", [many]) for _ in range(8)]
assert all((one.get_result().as_numpy("y") == 2).all() for one in asynchronous)

over_grpc = grpc.InferenceServerClient(sys.argv[2])
talk(grpc, over_grpc)
many = grpc.InferInput("x", [10_000, 2], "FP32")
many.set_data_from_numpy(np.ones((10_000, 2), np.float32))
assert (over_grpc.infer("sum", [many]).as_numpy("y") == 2).all()
late = refused(lambda: over_grpc.infer("sum", [many], client_timeout=0.0001), "eadline")  # whoever sees it first: client or server
assert late.status() == "StatusCode.DEADLINE_EXCEEDED", late.status()
print("agreed")

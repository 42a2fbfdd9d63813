"""The trees for KServe's Python server: onnxruntime, one thread. kserve_model.py <port>"""
import os
import sys

import kserve
import numpy
import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1


class Trees(kserve.Model):
    def __init__(self):
        super().__init__("m")
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
        self.ready = True

    def predict(self, payload: InferRequest, headers=None, response_headers=None):
        x = payload.inputs[0].as_numpy().astype("float32")
        (y,) = self.session.run(None, {"x": x})
        output = InferOutput("probability", list(y.shape), "FP32", y.ravel().tolist())
        return InferResponse(payload.id or "", "m", [output])


kserve.ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1).start([Trees()])

"""The trees for BentoML: onnxruntime, one thread, its own way of asking."""
import os

import bentoml
import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Trees:
    def __init__(self) -> None:
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)

    @bentoml.api
    def infer(self, x: np.ndarray) -> np.ndarray:
        (y,) = self.session.run(None, {"x": x.astype("float32")})
        return y

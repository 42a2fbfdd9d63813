"""The trees for MLServer: onnxruntime, one thread, rows as they come."""
import os

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1


class Trees(MLModel):
    async def load(self) -> bool:
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
        return True

    async def predict(self, payload):
        x = NumpyCodec.decode_input(payload.inputs[0]).astype("float32")
        (y,) = self.session.run(None, {"x": x})
        outputs = [NumpyCodec.encode_output(name="probability", payload=y)]
        return InferenceResponse(model_name=self.name, outputs=outputs)

"""A small recurrent network or Transformer in PyTorch over numeric columns that are steps in time.

The numeric columns are read as [steps, width] in the order of the project: with `steps: 3`, six columns are
two values at each of three times. Categories join at the end, as embeddings. `parameters: { steps: 3,
network: gru, size: 32, layers: 1, heads: 4 }`, `network` also transformer; the rest as in
pytorch-trainer.py.
"""

import torch
from torch import nn

from esteira_trainer import training
from torch_training import Embedded, Loop, outputs, prepare


class Block(nn.Module):
    """Attention and a perceptron (Vaswani et al. 2017), each on top of what was. Of plain operators:
    PyTorch's own layer has a fast path that its exporter does not know."""

    def __init__(self, steps: int, size: int, heads: int) -> None:
        super().__init__()
        self.shape = (-1, steps, 3, heads, size // heads)
        self.before, self.between = nn.LayerNorm(size), nn.LayerNorm(size)
        self.ask, self.answer = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.perceptron = nn.Sequential(nn.Linear(size, 2 * size), nn.ReLU(), nn.Linear(2 * size, size))

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        query, key, value = self.ask(self.before(seen)).reshape(self.shape).permute(2, 0, 3, 1, 4)
        attention = torch.softmax(query @ key.transpose(-1, -2) / self.shape[-1] ** 0.5, dim=-1)
        heard = (attention @ value).transpose(1, 2).flatten(2)
        seen = seen + self.answer(heard)
        return seen + self.perceptron(self.between(seen))


class Sequence(nn.Module):
    def __init__(self, steps: int, network: str, size: int, layers: int, heads: int) -> None:
        super().__init__()
        columns = len(training.layout["numeric"])
        self.steps, self.width = steps, columns // steps
        self.embedded = Embedded()
        self.recurrent = network == "gru"
        if self.recurrent:
            self.body = nn.GRU(self.width, size, layers, batch_first=True)
        else:
            self.widen = nn.Linear(self.width, size)
            self.places = nn.Parameter(torch.zeros(steps, size))
            self.body = nn.Sequential(*(Block(steps, size, heads) for _ in range(layers)))
        self.head = nn.Linear(size + self.embedded.width, outputs)

    def forward(self, numeric: torch.Tensor, categorical: torch.Tensor) -> torch.Tensor:
        series = numeric.reshape(-1, self.steps, self.width)
        if self.recurrent:
            seen = self.body(series)[0][:, -1]
        else:
            seen = self.body(self.widen(series) + self.places).mean(dim=1)
        return self.head(torch.cat([seen, self.embedded(numeric, categorical)], dim=1))


own = training.parameters
steps = int(own.get("steps", 0))
columns = len(training.layout["numeric"])
if steps < 1 or columns == 0 or columns % steps != 0:
    training.refuse(f"`steps` is {steps}; it must divide the {columns} numeric columns")
network = own.get("network", "gru")
if network not in ("gru", "transformer"):
    training.refuse(f'`network` is "{network}"; it may be gru or transformer')
size, layers, heads = int(own.get("size", 32)), int(own.get("layers", 1)), int(own.get("heads", 4))
if network == "transformer" and size % heads != 0:
    training.refuse(f"`heads` is {heads}; it must divide `size`, which is {size}")

with training.memory_guard():
    prepare()
    loop = Loop(Sequence(steps, network, size, layers, heads))
    loop.run()
    loop.export()

"""A multilayer perceptron in PyTorch, with an embedding for each category.

`parameters: { hidden: [64, 32], dropout: 0, epochs: 20, batch_size: 1024, learning_rate: 0.001,
weight_decay: 0, patience: 5 }`, all optional; `patience` counts epochs without a better validation loss,
and the best is kept.
"""

import torch
from torch import nn

from esteira_trainer import training
from torch_training import Embedded, Loop, outputs, prepare


class Perceptron(nn.Module):
    def __init__(self, hidden: list[int], dropout: float) -> None:
        super().__init__()
        self.embedded = Embedded()
        layers: list[nn.Module] = []
        width = self.embedded.width
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, outputs))

    def forward(self, numeric: torch.Tensor, categorical: torch.Tensor) -> torch.Tensor:
        return self.layers(self.embedded(numeric, categorical))


with training.memory_guard():
    prepare()
    loop = Loop(Perceptron(training.parameters.get("hidden", [64]), training.parameters.get("dropout", 0.0)))
    loop.run()
    loop.export()

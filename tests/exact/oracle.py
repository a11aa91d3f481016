"""A network that predicts what it is told to."""

from torch import Tensor

from lossladder.models import RNN, Network
from lossladder.tasks import Task


class Oracle(Network):
    """Predicts what it is told to: inputs -> probabilities."""

    def __init__(self, task: Task, predict) -> None:
        super().__init__(RNN(task.input_size, hidden_size=1), task.output_size)
        self.predict, self.loss = predict, task.loss

    def forward(self, inputs: Tensor, state=None):
        return self.loss.logits_for(self.predict(inputs)), ()

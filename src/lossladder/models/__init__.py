"""Floor 1: recurrent networks. They know nothing of tasks."""

from lossladder.models.gru import GRU, GRUCell
from lossladder.models.layers import Layers
from lossladder.models.lstm import LSTM, LSTMCell
from lossladder.models.mlp import MLP
from lossladder.models.network import Network
from lossladder.models.recurrent import Cell, Dynamics, Recurrent, State, Step
from lossladder.models.rnn import RNN
from lossladder.models.rnn_by_hand import RNNByHand
from lossladder.models.torch_rnn import TorchRNN, TorchRNNCell

__all__ = [
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "Cell",
    "Dynamics",
    "GRUCell",
    "LSTMCell",
    "Layers",
    "Network",
    "RNNByHand",
    "Recurrent",
    "State",
    "Step",
    "TorchRNN",
    "TorchRNNCell",
]

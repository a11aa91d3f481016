"""Floor 1: recurrent networks. They know nothing of tasks."""

from lossladder.models.gru import GRU
from lossladder.models.gru_cell import GRUCell
from lossladder.models.lstm import LSTM
from lossladder.models.lstm_cell import LSTMCell
from lossladder.models.mlp import MLP
from lossladder.models.network import Network
from lossladder.models.recurrent import Cell, Recurrent, State
from lossladder.models.rnn import RNN
from lossladder.models.rnn_by_hand import RNNByHand
from lossladder.models.torch_rnn import TorchRNN

__all__ = [
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "Cell",
    "GRUCell",
    "LSTMCell",
    "Network",
    "RNNByHand",
    "Recurrent",
    "State",
    "TorchRNN",
]

"""Floor 1: recurrent networks. They know nothing of tasks."""

from lossladder.models.attention import WindowAttention
from lossladder.models.bilinear import Bilinear
from lossladder.models.bits import Bits
from lossladder.models.delta import DeltaNet
from lossladder.models.diagonal import Diagonal
from lossladder.models.gru import GRU, GRUCell
from lossladder.models.layers import Layers
from lossladder.models.lru import LRU
from lossladder.models.lstm import LSTM, LSTMCell
from lossladder.models.mamba import Mamba
from lossladder.models.mingru import MinGRU
from lossladder.models.minlstm import MinLSTM
from lossladder.models.mlp import MLP
from lossladder.models.mlstm import MLSTM
from lossladder.models.network import Network
from lossladder.models.recurrent import Cell, Dynamics, Recurrent, State, Step
from lossladder.models.reservoir import Reservoir
from lossladder.models.rnn import RNN
from lossladder.models.rnn_by_hand import RNNByHand
from lossladder.models.rwkv7 import RWKV7
from lossladder.models.slstm import SLSTM
from lossladder.models.tcn import TCN
from lossladder.models.torch_rnn import TorchRNN, TorchRNNCell

__all__ = [
    "GRU",
    "LRU",
    "LSTM",
    "MLP",
    "MLSTM",
    "RNN",
    "RWKV7",
    "SLSTM",
    "TCN",
    "Bilinear",
    "Bits",
    "Cell",
    "DeltaNet",
    "Diagonal",
    "Dynamics",
    "GRUCell",
    "LSTMCell",
    "Layers",
    "Mamba",
    "MinGRU",
    "MinLSTM",
    "Network",
    "RNNByHand",
    "Recurrent",
    "Reservoir",
    "State",
    "Step",
    "TorchRNN",
    "TorchRNNCell",
    "WindowAttention",
]

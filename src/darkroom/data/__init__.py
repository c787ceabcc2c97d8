"""Where images come from."""

from darkroom.data.datamodule import ImageData
from darkroom.data.hub import HuggingFace
from darkroom.data.known import CIFAR10, MNIST, CelebA, Digits, FashionMNIST, StackedDigits
from darkroom.data.own import Folder, Packed
from darkroom.data.streaming import Streaming

__all__ = [
    "CIFAR10",
    "MNIST",
    "CelebA",
    "Digits",
    "FashionMNIST",
    "Folder",
    "HuggingFace",
    "ImageData",
    "Packed",
    "StackedDigits",
    "Streaming",
]

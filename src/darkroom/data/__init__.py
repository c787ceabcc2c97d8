"""Where images come from."""

from darkroom.data.datamodule import CIFAR10, MNIST, Digits, FashionMNIST, Folder, ImageData

__all__ = ["CIFAR10", "MNIST", "Digits", "FashionMNIST", "Folder", "ImageData"]

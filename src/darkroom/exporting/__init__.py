"""Ways out of the house: trained models as files that run without it, or come back.

What is exported are the averaged weights, which make all images that anybody sees. Of each model:

| model | generator | encoder | decoder past the second stage |
|---|---|---|---|
| GANs | yes | | |
| `vae`, `hierarchical_vae` | yes | yes | is the generator |
| `sigma_vae`, `vae_gan`, any `prior=mixture`, `flow_matching` | yes | yes | yes |
| `vq_vae`, any `prior=autoregressive` | as ONNX only while its codes are few | yes | yes |

Discriminators stay, and so does the inverse of a second stage: an image's noise is found by
`sample.py draw=inversion`, in the house.
"""

from darkroom.exporting.hub import Hub
from darkroom.exporting.onnx import ONNX
from darkroom.exporting.program import Program
from darkroom.exporting.safetensors import Safetensors, load
from darkroom.exporting.shipment import Format

__all__ = ["ONNX", "Format", "Hub", "Program", "Safetensors", "load"]

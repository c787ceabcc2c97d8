"""Where a latent model's latents come from: models of the aggregate posterior.

The bound's own prior, N(0, I), is where latents are paid for, and not quite where they are. A prior
here is a map from standard normal noise to latents as the encoder makes them, learned beside the
model, so that whatever draws from a seed draws from it.
"""

from darkroom.priors.autoregressive import Autoregressive
from darkroom.priors.contracts import Prior
from darkroom.priors.flow_matching import FlowMatching
from darkroom.priors.mixture import Mixture
from darkroom.priors.standard import Standard

__all__ = ["Autoregressive", "FlowMatching", "Mixture", "Prior", "Standard"]

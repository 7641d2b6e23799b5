"""What *fast*, *balanced* and *careful* mean for a prior of unit variance that has learned all noise levels.

Chosen by `serein score oracle` and `mixture`. A prior's card may choose otherwise, by what its own
denoiser has learned.

    fast      20 evaluations, 39 vector-Jacobian products (the ODE). Exact on Gaussian problems to a twentieth
              of the posterior's spread; of several modes, a third of the weight may be wrong.
    balanced  32 levels of the SDE with 8 particles: 256 evaluations. Weights of modes to a few per cent.
    careful   48 levels of the SDE with 16 particles: 768 evaluations. Within Monte-Carlo error on both, but
              for the fit to the observations, whose chi2 is 2 % too large in 1536 dimensions.
"""

from models.posterior.sampler import Preset

PRESETS = {
    "fast": Preset(20, 20.0, 0.005, stochastic=False, iterations=1, warm=True),
    "balanced": Preset(32, 20.0, 0.005, stochastic=True, iterations=1, warm=True, particles=8),
    "careful": Preset(48, 20.0, 0.004, stochastic=True, iterations=2, warm=True, particles=16),
}

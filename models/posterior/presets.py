"""What *fast*, *balanced* and *careful* mean for a prior of unit variance that has learned all noise levels.

Chosen by `serein score oracle` and `mixture`. A prior's card may choose otherwise, by what its own
denoiser has learned.

    fast      20 evaluations, 39 vector-Jacobian products (the ODE). Exact on Gaussian problems to a twentieth
              of the posterior's spread; of several modes, a third of the weight may be wrong.
    balanced  44 levels of the SDE; 10 particles down to sigma 0.3, then one and two corrections: 273
              evaluations. Weights of modes to a few per cent.
    careful   52 levels of the SDE; 16 particles, then one and three corrections: 497 evaluations. Within
              Monte-Carlo error.
"""

from models.posterior.sampler import Preset

PRESETS = {
    "fast": Preset(20, 20.0, 0.005, stochastic=False, iterations=1, warm=True),
    "balanced": Preset(44, 20.0, 0.0021, True, 1, warm=True, particles=10, alone=0.3, corrections=2),
    "careful": Preset(52, 20.0, 0.0019, True, 2, warm=True, particles=16, alone=0.3, corrections=3),
}

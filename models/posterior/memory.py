r"""What the past knows of a window, and the future: the course of its states, as an observation.

Windows in a row share a state: the last of one is the first of the next. With the observations of the past Y
and those of the new window y, and as far as a state says all about what follows it,

    p(z_0 ... z_L | Y, y) ~ p(z_0 ... z_L) p(y | z_1 ... z_L) p(z_0 | Y) / p(z_0).

The ensemble gives p(z_0 | Y). Each of its members is followed through the window by the prior's forecaster,
if it has one; with what forecasts are wrong by, that is all that the past knows of its course (`course.py`).
A prior of perfect dynamics would need the first state only; ours knows less of them than its forecaster does.

Covariances of few members are noisy. So they are taken together: of the amplitudes of modes of space, scaled
by the Climatology's, over `NEAR` modes; and of what is left, those of a channel over all columns, times a
factor per column.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from models.posterior.course import Course, Courses
from models.prior.climatology import Climatology
from models.prior.forecaster import AHEAD, BACK, CLIMATE, Forecaster
from models.prior.prior import Prior

NEAR = 41


def remembered(states: Tensor, prior: Prior, year_fraction: Tensor, inflation: float) -> Course:
    """A window, as the ensemble (N, K, h, w) knows its first state.

    Arguments:
        year_fraction: of the window's states, (L,).
        inflation: of the ensemble's covariance; makes up for what is wrong with it.
    """
    courses = _courses(states, prior, year_fraction[0])
    length, mean = courses.shape[1], courses.mean(0, keepdim=True)
    climate = _covariance(prior, CLIMATE, length)
    directions = prior.climatology.directions.float()
    spread = _spread((courses - mean).flatten(2), directions, climate, states.shape[1])
    wrong = _covariance(prior, AHEAD, length)
    known = Courses(inflation * spread.modes + wrong.modes, inflation * spread.rest + wrong.rest)
    return _course(mean, prior, year_fraction, known, climate, len(states))


def followed(
    states: Tensor, prior: Prior, year_fraction: Tensor, error: float, *, back: bool = False
) -> Course:
    """A window of each member, given its first state, or `back`, its last, (N, K, h, w).

    Arguments:
        year_fraction: of the window's states, (L,).
        error: of the states that are given; small beside what latents vary by.
    """
    courses = _courses(states, prior, year_fraction[-1 if back else 0], back=back)
    length = courses.shape[1]
    own = torch.zeros(length)
    own[-1 if back else 0] = error**2
    wrong = _covariance(prior, BACK if back else AHEAD, length)
    known = Courses(wrong.modes + own.diag(), wrong.rest + own.diag())
    climate = _covariance(prior, CLIMATE, length)
    return _course(courses, prior, year_fraction, known, climate, math.inf, back=back)


def _courses(states: Tensor, prior: Prior, year_fraction: Tensor, *, back: bool = False) -> Tensor:
    """Of each member as far as the prior can tell, (N, T, K, h, w)."""
    if prior.forecaster is None:
        return states[:, None]
    with torch.no_grad():
        when = year_fraction.float().expand(len(states))
        return prior.forecaster.course(states, when, prior.card.window - 1, back=back)


def _course(
    states: Tensor,
    prior: Prior,
    year_fraction: Tensor,
    known: Courses,
    climate: Courses,
    members: float,
    *,
    back: bool = False,
) -> Course:
    first = len(year_fraction) - states.shape[1] if back else 0
    mean = prior.climatology.mean(year_fraction[first : first + states.shape[1]]).to(states)
    return Course.of(states, mean, known, climate, prior.climatology.directions.float(), members, first)


def _covariance(prior: Prior, which: int, length: int) -> Courses:
    """Of the weather or of a forecaster's errors, over `length` states."""
    columns = math.prod(prior.climatology.shape[2:])
    if prior.forecaster is not None:
        forecaster: Forecaster = prior.forecaster
        rest = forecaster.rest[which].repeat_interleave(columns, dim=0)
        return Courses(forecaster.modes[which], rest)
    if which != CLIMATE:
        size = math.prod(prior.climatology.shape[1:])
        return Courses(torch.zeros(len(prior.climatology.directions), 1, 1), torch.zeros(size, 1, 1))
    return _first_states(prior.climatology)


def _first_states(climatology: Climatology) -> Courses:
    """Variances of the first state, as the Climatology has them."""
    directions = climatology.directions.float()
    along = climatology.along_state(directions, 0)
    modes = along.square() @ (climatology.variances - climatology.floor) + climatology.floor
    rest = climatology.floor.expand(directions.shape[1])
    return Courses(modes[:, None, None], rest[:, None, None])


def _spread(errors: Tensor, directions: Tensor, climate: Courses, channels: int) -> Courses:
    """Covariance of members' departures from their mean, (N, T, K h w), taken together."""
    size = climate.modes.diagonal(dim1=1, dim2=2).mean(1).sqrt()
    amplitudes = errors @ directions.T
    scaled = amplitudes / size
    modes = _together(torch.einsum("nsm,ntm->mst", scaled, scaled)) * size.square()[:, None, None]
    rest = (errors - amplitudes @ directions).unflatten(2, (channels, -1))
    small = torch.einsum("nskc,ntkc->kst", rest, rest) / rest.shape[3]
    variance = rest.square().sum(0)
    tiny = torch.finfo(variance.dtype).tiny
    columns = (variance / variance.mean(2, keepdim=True).clamp_min(tiny)).mean((0, 1))
    free = len(errors) - 1
    return Courses(modes / free, (small[:, None] * columns[None, :, None, None]).flatten(0, 1) / free)


def _together(modes: Tensor) -> Tensor:
    """Means over neighbouring modes, of which there are as many at the ends, (r, T, T)."""
    near = min(NEAR, 2 * len(modes) - 1)
    flat = F.pad(modes.flatten(1).T[:, None], (near // 2, near // 2), mode="replicate")
    return F.avg_pool1d(flat, near, stride=1)[:, 0].T.unflatten(1, modes.shape[1:])

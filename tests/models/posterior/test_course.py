"""What is known of a course of states, against closed forms of small Gaussians."""

import math

import pytest
import torch

from models.posterior.course import Course, Courses
from models.prior.climatology import Climatology

SHAPE, STATES, MODES = (2, 2, 3), 3, 2
SIZE = math.prod(SHAPE)


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def covariances(count: int, seed: int, size: float = 1.0) -> torch.Tensor:
    root = noise(count, STATES, STATES, seed=seed)
    return size * (root @ root.mT + 0.3 * torch.eye(STATES))


@pytest.fixture
def directions() -> torch.Tensor:
    return torch.linalg.qr(noise(SIZE, MODES, seed=7))[0].T


@pytest.fixture
def climate() -> Courses:
    return Courses(covariances(MODES, 2), covariances(SIZE, 3))


@pytest.fixture
def known(climate: Courses) -> Courses:
    """A part of the climate's covariance, another one for each."""
    return Courses(
        *((c.inverse() + covariances(len(c), 4).inverse()).inverse() for c in (climate.modes, climate.rest))
    )


MEAN = noise(STATES, *SHAPE, seed=8)


def a_course(directions, known: Courses, climate: Courses, members: float = math.inf, n: int = 1) -> Course:
    return Course.of(noise(n, STATES, *SHAPE, seed=5), MEAN, known, climate, directions, members)


def matrix(course: Course, length: int = STATES) -> torch.Tensor:
    """G, (p, length K h w)."""
    unit = torch.eye(length * SIZE).unflatten(1, (length, *SHAPE))
    return course.look(unit).T


def test_its_adjoint_is_that_of_its_matrix(directions, known, climate):
    course = a_course(directions, known, climate)
    w = noise(4, STATES * SIZE)
    torch.testing.assert_close(course.back(w, STATES).flatten(1), w @ matrix(course), rtol=1e-3, atol=1e-4)


def test_squares_of_its_rows_are_those_of_its_matrix_where_latents_are_alike(directions, known, climate):
    known, climate = (Courses(c.modes, c.rest[:1].expand(SIZE, -1, -1)) for c in (known, climate))
    course = a_course(directions, known, climate)
    torch.testing.assert_close(course.squares(), matrix(course).square().sum(1), rtol=1e-3, atol=1e-4)


def test_what_it_sees_of_modes_is_its_matrix_times_them(directions, known, climate):
    climatology = Climatology(STATES, SHAPE, rank=5)
    climatology.modes.copy_(torch.linalg.qr(noise(STATES * SIZE, 5, seed=9).double())[0].T)
    course = a_course(directions, known, climate)
    expected = matrix(course) @ climatology.modes.float().T
    torch.testing.assert_close(course.along(climatology), expected, rtol=1e-3, atol=1e-4)


def test_only_its_states_of_a_window_are_seen(directions, known, climate):
    course = Course.of(MEAN[None], MEAN, known, climate, directions, math.inf, first=1)
    assert matrix(course, 5).unflatten(1, (5, SIZE))[:, [0, 4]].abs().max() == 0
    assert course.back(noise(1, STATES * SIZE), 5)[:, [0, 4]].abs().max() == 0


def test_with_the_climate_as_a_prior_it_gives_back_what_was_known(directions, known, climate):
    """Of amplitudes of modes: N(f, B), from N(m, C) and the rows."""
    course = a_course(directions, known, climate)
    f = noise(1, STATES, *SHAPE, seed=5)
    rows = course.modes.double()
    wanted = course.wanted.unflatten(1, (STATES, SIZE)) @ directions.T  # of modes: rest has none of them
    for mode in range(MODES):
        before = climate.modes[mode].double().inverse()
        after = before + rows[mode].T @ rows[mode]
        torch.testing.assert_close(after.inverse(), known.modes[mode].double(), rtol=1e-3, atol=1e-3)
        prior_mean = (MEAN.flatten(1) @ directions.T)[:, mode].double()
        mean = torch.linalg.solve(after, before @ prior_mean + rows[mode].T @ wanted[0, :, mode].double())
        expected = (f[0].flatten(1) @ directions.T)[:, mode].double()
        torch.testing.assert_close(mean, expected, rtol=1e-2, atol=1e-2)


def test_the_mean_of_few_members_is_off_by_as_much_as_it_says(directions, known, climate):
    """Draws of a truth, of what the past makes of it, and of an ensemble of that: rows are off by one."""
    members, draws = 4, 4000
    of = {"b": known.modes[0], "e": climate.modes[0] - known.modes[0]}
    root = {k: torch.linalg.cholesky(c + 1e-5 * torch.eye(STATES)) for k, c in of.items()}
    center = noise(draws, STATES, seed=11) @ root["e"].T
    truth = center + noise(draws, STATES, seed=12) @ root["b"].T
    ensemble = center[:, None] + noise(draws, members, STATES, seed=13) @ root["b"].T
    states = (MEAN + (ensemble.mean(1)[..., None] * directions[0]).unflatten(2, SHAPE)).float()
    course = Course.of(states, MEAN, known, climate, directions, members)
    there = MEAN + (truth[..., None] * directions[0]).unflatten(2, SHAPE)
    off = ((course.wanted - course.look(there)).unflatten(1, (STATES, SIZE)) @ directions[0]).double()
    torch.testing.assert_close(off.T @ off / draws, torch.eye(STATES).double(), rtol=0.1, atol=0.1)
    assert (off.T @ truth.double() / draws).abs().max() < 0.15  # nor does it depend on the truth


def test_who_knows_no_more_than_the_climate_says_next_to_nothing(directions, climate):
    course = a_course(directions, climate, climate)
    left = climate.modes.inverse() + course.modes.mT @ course.modes
    torch.testing.assert_close(left.inverse(), climate.modes, rtol=0.05, atol=0.05)

"""How far the window lies from the reference, and how far it may lie by chance: the one variance all kinds share.

Model: the value of block b is y_b = mean + season + wander_b + noise_b, where the noise has variance s2 / users_b
(independent users) and the wander has variance t2 whatever the size of the block: whims of a day, slow changes,
dependence between users. t2 comes from the reference (the moment estimator of DerSimonian and Laird, Controlled
Clinical Trials 7, 1986, made median-unbiased); how little a short history knows of it enters by Student's t. Where the
blocks scatter clearly less than s2 says (many calls a user, alike), s2 is lowered.

Neighbouring days wander together, so blocks count as a third of their number where the wander is averaged.
Misleads when the reference itself holds a change: it then looks like wander and hides the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri

from monitor.profile import Floats, Profile

WANDER_TOGETHER = 3.0
# Chance that the dispersion is larger than taken.
DISPERSION_RISK = 0.5
MIN_BLOCKS_TO_LOWER = 10
_PLENTY = 1e6


@dataclass(frozen=True)
class Spread:
    """Mean of the reference by users, difference of the window from it (season taken out), the variances of both
    means, and the degrees of freedom of their sum; one entry a coordinate."""

    mean: Floats
    difference: Floats
    current_variance: Floats
    reference_variance: Floats
    degrees: Floats

    @property
    def error(self) -> Floats:
        """Standard error of the difference."""
        return np.sqrt(self.current_variance + self.reference_variance)


def spread(
    current: Floats,
    current_users: float,
    reference: Floats,
    users: Floats,
    *,
    noise: Floats,
    least_lowered: Floats | float = 1.0,
    groups: int = 1,
    window_blocks: int = 1,
) -> Spread:
    """`current` is the window's value, `reference` has blocks x coordinates, both without season; `noise` is s2.

    `least_lowered` is the least factor by which s2 may be lowered: users / calls where all calls are independent.
    `groups` is the number of means that were fitted to the reference, `window_blocks` the blocks of the window.
    """
    total = users.sum()
    mean = users @ reference / total
    degrees = max(len(reference) - groups, 1)
    noise = np.maximum(noise, 1e-300)
    scatter = (users[:, None] * (reference - mean) ** 2).sum(axis=0) / noise
    dispersion = scatter / float(chdtri(degrees, 1 - DISPERSION_RISK))
    evenness = total - (users**2).sum() / total
    wander = np.maximum(0.0, dispersion - 1) * degrees * noise / max(evenness, 1e-9)
    lowered = np.where(degrees >= MIN_BLOCKS_TO_LOWER, np.minimum(np.maximum(dispersion, least_lowered), 1.0), 1.0)
    own_noise = noise * lowered / current_users
    reference_noise = noise * lowered / total
    reference_wander = wander * min(1.0, WANDER_TOGETHER * (users**2).sum() / total**2)
    own_wander = wander * min(1.0, WANDER_TOGETHER / window_blocks)
    estimated = own_wander + reference_wander + np.where(lowered < 1, own_noise + reference_noise, 0.0)
    known = np.where(lowered < 1, 0.0, own_noise + reference_noise)
    own_degrees = max(current_users + total - 2, 1.0)
    whole = estimated + known
    return Spread(
        mean=mean,
        difference=current - mean,
        current_variance=own_noise + own_wander,
        reference_variance=reference_noise + reference_wander,
        degrees=np.minimum(_PLENTY, whole**2 / (estimated**2 / degrees + known**2 / own_degrees + 1e-300)),
    )


def between_users(profile: Profile) -> Floats:
    """The variance between the users' mean vectors, coordinate by coordinate."""
    if profile.vector is None or profile.vector_square is None:
        return np.zeros(1)
    if profile.users < 2:
        return np.zeros_like(profile.vector)
    return np.maximum(0.0, (profile.vector_square - profile.vector**2 / profile.users) / (profile.users - 1))

"""jDE and SHADE once more, one candidate and one entry at a time, from the papers alone."""

import math

import numpy as np

Bounds = tuple[float, float]


def jde_minimum(function, x: np.ndarray, generations: int, bounds: Bounds, seed: int) -> float:
    """Brest et al. 2006, equations (1) to (3) for rand/1/bin and (8), (9) for F and CR."""
    rng = np.random.default_rng([seed, 5])
    N = len(x)
    x = x.copy()
    f = [float(function(row)) for row in x]
    F, CR = [0.5] * N, [0.9] * N
    for _ in range(generations):
        new_x, new_f, new_F, new_CR = list(x), list(f), list(F), list(CR)
        for i in range(N):
            Fi = 0.1 + 0.9 * rng.random() if rng.random() < 0.1 else F[i]
            CRi = rng.random() if rng.random() < 0.1 else CR[i]
            a, b, c = rng.choice([k for k in range(N) if k != i], 3, replace=False)
            u = _crossed(x[i], x[a] + Fi * (x[b] - x[c]), CRi, bounds, rng)
            fu = float(function(u))
            if fu <= f[i]:
                new_x[i], new_f[i], new_F[i], new_CR[i] = u, fu, Fi, CRi
        x, f, F, CR = np.array(new_x), new_f, new_F, new_CR
    return min(f)


def shade_minimum(
    function, x: np.ndarray, generations: int, H: int, bounds: Bounds, seed: int
) -> float:
    """Tanabe & Fukunaga 2013, algorithm 1."""
    rng = np.random.default_rng([seed, 6])
    N = len(x)
    x = x.copy()
    f = [float(function(row)) for row in x]
    M_CR, M_F, k, A = [0.5] * H, [0.5] * H, 0, []
    for _ in range(generations):
        trials = []
        ranked = sorted(range(N), key=lambda i: f[i])
        for i in range(N):
            r = rng.integers(H)
            CRi = min(max(rng.normal(M_CR[r], 0.1), 0.0), 1.0)
            Fi = 0.0
            while Fi <= 0:
                Fi = M_F[r] + 0.1 * math.tan(math.pi * (rng.random() - 0.5))
            Fi = min(Fi, 1.0)
            p = rng.uniform(2 / N, 0.2)
            best = ranked[rng.integers(max(2, round(p * N)))]
            r1 = rng.choice([j for j in range(N) if j != i])
            r2 = rng.choice([j for j in range(N + len(A)) if j not in (i, r1)])
            other = x[r2] if r2 < N else A[r2 - N]
            v = x[i] + Fi * (x[best] - x[i]) + Fi * (x[r1] - other)
            u = _crossed(x[i], v, CRi, bounds, rng)
            trials.append((u, float(function(u)), Fi, CRi))
        S = []
        for i, (u, fu, Fi, CRi) in enumerate(trials):
            if fu < f[i]:
                A.append(x[i].copy())
                S.append((f[i] - fu, Fi, CRi))
            if fu <= f[i]:
                x[i], f[i] = u, fu
        while len(A) > N:
            A.pop(rng.integers(len(A)))
        if S:
            total = sum(gain for gain, _, _ in S)
            M_CR[k] = sum(gain / total * CRi for gain, _, CRi in S)
            M_F[k] = sum(g * Fi**2 for g, Fi, _ in S) / sum(g * Fi for g, Fi, _ in S)
            k = (k + 1) % H
    return min(f)


def _crossed(x, v, CR, bounds, rng) -> np.ndarray:
    """Binomial crossover; an entry past a bound goes midway between it and the parent."""
    u = x.copy()
    certain = rng.integers(len(x))
    for j in range(len(x)):
        if rng.random() < CR or j == certain:
            low, high = bounds
            u[j] = (low + x[j]) / 2 if v[j] < low else (high + x[j]) / 2 if v[j] > high else v[j]
    return u

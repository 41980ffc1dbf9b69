"""How the next candidates are chosen; numpy and cmaes only, knows no survey and no model."""

from acculturate.search.adam import Adam
from acculturate.search.cma_es import CMAES, SepCMAES
from acculturate.search.differential_evolution import DifferentialEvolution
from acculturate.search.dominance import Frontier
from acculturate.search.fitness import Fitness
from acculturate.search.gde3 import GDE3
from acculturate.search.hybrid import Hybrid
from acculturate.search.jde import JDE
from acculturate.search.kalman import KalmanInversion
from acculturate.search.l_shade import LSHADE
from acculturate.search.names import NAMES, by_name
from acculturate.search.optimizer import Best, Optimizer
from acculturate.search.particle_swarm import ParticleSwarm
from acculturate.search.random_search import RandomSearch
from acculturate.search.shade import SHADE

__all__ = [
    "CMAES",
    "GDE3",
    "JDE",
    "LSHADE",
    "NAMES",
    "SHADE",
    "Adam",
    "Best",
    "DifferentialEvolution",
    "Fitness",
    "Frontier",
    "Hybrid",
    "KalmanInversion",
    "Optimizer",
    "ParticleSwarm",
    "RandomSearch",
    "SepCMAES",
    "by_name",
]

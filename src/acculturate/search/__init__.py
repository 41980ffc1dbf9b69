"""Choosing the next candidates of a search; numpy and cmaes only, knows no survey and no model."""

from acculturate.search.adam import Adam
from acculturate.search.cma_es import CMAES, SepCMAES
from acculturate.search.differential_evolution import DifferentialEvolution
from acculturate.search.dominance import Frontier
from acculturate.search.fitness import Fitness
from acculturate.search.gde3 import GDE3
from acculturate.search.l_shade import FIRST_POPULATION, LSHADE
from acculturate.search.multitask import NewTask, SharedPrompt, Sharing, Together
from acculturate.search.names import OPTIMIZERS, by_name, summary, takes
from acculturate.search.optimizer import COST_OF_A_GRADIENT, Best, Optimizer
from acculturate.search.particle_swarm import ParticleSwarm
from acculturate.search.random_search import RandomSearch
from acculturate.search.space import (
    SPACES,
    Choices,
    Full,
    Mixture,
    Scaled,
    Space,
    read_name,
)
from acculturate.search.state import State
from acculturate.search.variation import SMALLEST_POPULATION

__all__ = [
    "CMAES",
    "COST_OF_A_GRADIENT",
    "FIRST_POPULATION",
    "GDE3",
    "LSHADE",
    "OPTIMIZERS",
    "SMALLEST_POPULATION",
    "SPACES",
    "Adam",
    "Best",
    "Choices",
    "DifferentialEvolution",
    "Fitness",
    "Frontier",
    "Full",
    "Mixture",
    "NewTask",
    "Optimizer",
    "ParticleSwarm",
    "RandomSearch",
    "Scaled",
    "SepCMAES",
    "SharedPrompt",
    "Sharing",
    "Space",
    "State",
    "Together",
    "by_name",
    "read_name",
    "summary",
    "takes",
]

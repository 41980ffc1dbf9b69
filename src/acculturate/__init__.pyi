from .benchmarks.catalogue import load_benchmark as load_benchmark
from .benchmarks.exam import Exam as Exam
from .errors import (
    AcculturateError as AcculturateError,
)
from .errors import (
    FailureError as FailureError,
)
from .errors import (
    UsageError as UsageError,
)
from .evaluation.evaluate import RunEvaluation as RunEvaluation
from .evaluation.evaluate import evaluate as evaluate
from .evaluation.examine import examine as examine
from .experiment.frames import results as results
from .experiment.plan import Experiment as Experiment
from .experiment.plan import load_experiment as load_experiment
from .experiment.run import run_experiment as run_experiment
from .export.export import export_prompt as export_prompt
from .metrics.check import Check as Check
from .metrics.check import check as check
from .metrics.measure import Profile as Profile
from .metrics.measure import measure as measure
from .metrics.model_comparison import ModelComparison as ModelComparison
from .metrics.model_comparison import compare_profiles as compare_profiles
from .metrics.people import SurveyScores as SurveyScores
from .metrics.people import score as score
from .model.answers import AnswerModel as AnswerModel
from .model.answers import Answers as Answers
from .model.fake import FakeModel as FakeModel
from .model.load import load_model as load_model
from .model.soft_prompt import SoftPrompt as SoftPrompt
from .progress_bars import show_progress as show_progress
from .reporting.profile_files import write_profile as write_profile
from .reporting.report import write_report as write_report
from .runs import Run as Run
from .search import (
    CMAES as CMAES,
)
from .search import (
    GDE3 as GDE3,
)
from .search import (
    LSHADE as LSHADE,
)
from .search import (
    Adam as Adam,
)
from .search import (
    DifferentialEvolution as DifferentialEvolution,
)
from .search import (
    Fitness as Fitness,
)
from .search import (
    Optimizer as Optimizer,
)
from .search import (
    ParticleSwarm as ParticleSwarm,
)
from .search import (
    RandomSearch as RandomSearch,
)
from .search import (
    SepCMAES as SepCMAES,
)
from .search import (
    State as State,
)
from .survey.countries import (
    Country as Country,
)
from .survey.countries import (
    CountryTable as CountryTable,
)
from .survey.countries import (
    load_countries as load_countries,
)
from .survey.forms import (
    Form as Form,
)
from .survey.forms import (
    all_forms as all_forms,
)
from .survey.instrument import Instrument as Instrument
from .survey.instrument import load_instrument as load_instrument
from .survey.scoring import Scoring as Scoring
from .survey.selection import (
    balanced_forms as balanced_forms,
)
from .survey.selection import (
    draw_forms as draw_forms,
)
from .tuning import Settings as Settings
from .tuning import tune as tune

__version__: str

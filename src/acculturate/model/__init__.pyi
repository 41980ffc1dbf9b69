from .answers import (
    LONGEST_READ as LONGEST_READ,
)
from .answers import (
    AnswerModel as AnswerModel,
)
from .answers import (
    Answers as Answers,
)
from .answers import (
    Backward as Backward,
)
from .answers import (
    Cotangent as Cotangent,
)
from .answers import (
    DifferentiableModel as DifferentiableModel,
)
from .answers import (
    GeneratingModel as GeneratingModel,
)
from .answers import (
    Placement as Placement,
)
from .answers import (
    ProseModel as ProseModel,
)
from .answers import (
    Query as Query,
)
from .answers import (
    TextReading as TextReading,
)
from .answers import (
    join_answers as join_answers,
)
from .encoding import EncodedForm as EncodedForm
from .fake import FakeModel as FakeModel
from .language_model import (
    Dtype as Dtype,
)
from .language_model import (
    LanguageModel as LanguageModel,
)
from .language_model import (
    load_language_model as load_language_model,
)
from .load import load_model as load_model
from .soft_prompt import (
    Init as Init,
)
from .soft_prompt import (
    SoftPrompt as SoftPrompt,
)
from .soft_prompt import (
    start_population as start_population,
)

"""What if one file of models is executed twice: imported, reloaded, started? (b)"""

from tests.orm.reference.case import EXTEND, POST, Case, main, post, user
from tests.orm.trees import HEAD, mod

_APP = "\n@ app/__init__.py\n"
#: The folder of the package is on the path too.
_PATH = "import sys\nsys.path.append('app')\n"
_TWICE = main(_PATH + "import app.models, post\nimport models")
_OWN_BASE = """
from sqlalchemy.orm import DeclarativeBase
from base import Registry
class Base(DeclarativeBase):
    registry = Registry()
"""
_BOTH = _APP + mod("app/models.py", user(), post())
_BOTH_EXTEND = _APP + mod(
    "app/models.py",
    user(says=EXTEND),
    post().replace('"posts"\n', f'"posts"\n{EXTEND}'),
)

CASES = {
    "b01": Case(
        situation="One file imported as app.models and as models.",
        guard="E double-import",
        program=_APP + mod("app/models.py", user()) + POST + _TWICE,
        told="""
            plain      | TAD           | MC, FAILED | -
            registry   | double_import | ok, ok     | double_import
            referenced | double_import | ok, ok     | double_import
            observer   | TAD           | MC, FAILED | -
            source     | -
        """,
    ),
    "b02": Case(
        situation="As b01, with extend_existing.",
        guard="E double-import, T",
        program=_APP + mod("app/models.py", user(says=EXTEND)) + POST + _TWICE,
        told="""
            plain      | ok            | MC, FAILED | ambiguous_name, double_import
            registry   | double_import | ok, ok     | double_import
            referenced | double_import | ok, ok     | double_import
            observer   | double_import | MC, FAILED | double_import
            source     | warning extend_existing
        """,
    ),
    "b03": Case(
        situation="As b01, with the Base in the same file.",
        guard="S",
        program=_APP
        + mod("app/models.py", _OWN_BASE, user(), post())
        + main(
            _PATH
            + """
import app.models, models
from sqlalchemy.orm import Session, configure_mappers
def assign():
    Session().add(app.models.Post(user=models.User()))
USES = [configure_mappers, assign]
"""
        ),
        told="""
            plain      | ok | ok, ALIEN | double_import
            registry   | ok | ok, ALIEN | double_import
            referenced | ok | ok, ALIEN | double_import
            observer   | ok | ok, ALIEN | double_import
            source     | -
        """,
    ),
    "b04": Case(
        situation="As b01, inside `try/except: pass`.",
        guard="E, and S repeats it",
        program=_APP
        + mod("app/models.py", user())
        + POST
        + main(
            _PATH
            + """
import gc
from sqlalchemy.orm import configure_mappers
def configure_after_collection():
    gc.collect()
    configure_mappers()
USES = [configure_mappers, configure_after_collection]
import app.models, post
try:
    import models
except Exception:
    pass
"""
        ),
        told="""
            plain      | ok | MC, FAILED | -
            registry   | ok | ok, ok     | double_import
            referenced | ok | ok, ok     | double_import
            observer   | ok | MC, FAILED | -
            source     | -
        """,
    ),
    "b05": Case(
        situation="A reload.",
        guard="W redefined",
        program=_BOTH
        + main("import importlib, app.models\nimportlib.reload(app.models)"),
        told="""
            plain      | 2 SAWarning + TAD               | MC, FAILED | -
            registry   | 2 SAWarning + 1 redefined + TAD | MC, FAILED | -
            referenced | 2 SAWarning + 1 redefined + TAD | MC, FAILED | -
            observer   | 2 SAWarning + TAD               | MC, FAILED | -
            source     | -
        """,
    ),
    "b06": Case(
        situation="A reload with extend_existing, before anything was configured.",
        guard="W, T",
        program=_BOTH_EXTEND
        + main("""
import gc, importlib
from sqlalchemy.orm import configure_mappers
import app.models
def configure_after_collection():
    gc.collect()
    configure_mappers()
USES = [configure_mappers, configure_after_collection]
importlib.reload(app.models)
"""),
        told="""
            plain      | 4 SAWarning               | MC, ok | -
            registry   | 4 SAWarning + 2 redefined | MC, ok | -
            referenced | 4 SAWarning + 2 redefined | MC, ok | -
            observer   | 4 SAWarning + 2 redefined | MC, ok | -
            source     | warning extend_existing
        """,
    ),
    "b07": Case(
        situation="As b06, configured before.",
        guard="W, T",
        program=_BOTH_EXTEND
        + main("""
import importlib
from sqlalchemy.orm import configure_mappers
import app.models
configure_mappers()
importlib.reload(app.models)
"""),
        told="""
            plain      | 4 SAWarning               | MC, FAILED | -
            registry   | 4 SAWarning + 2 redefined | MC, FAILED | -
            referenced | 4 SAWarning + 2 redefined | MC, FAILED | -
            observer   | 4 SAWarning + 2 redefined | MC, FAILED | -
            source     | warning extend_existing
        """,
    ),
    "b08": Case(
        situation="A file that is started, and imported by its name too.",
        guard="E double-import",
        program=POST
        + main(f"{HEAD}{user(says=EXTEND)}\nimport post\nimport views\n")
        + "\n@ views.py\nimport main\n",
        told="""
            plain      | ok            | MC, FAILED | ambiguous_name, double_import
            registry   | double_import | ok, ok     | double_import
            referenced | double_import | ok, ok     | double_import
            observer   | double_import | MC, FAILED | double_import
            source     | warning extend_existing
        """,
    ),
    "b09": Case(
        situation="metadata.clear(), then a reload.",
        guard="W",
        program=_BOTH
        + main("""
import importlib, app.models
app.models.Base.metadata.clear()
importlib.reload(app.models)
"""),
        told="""
            plain      | 4 SAWarning               | MC, FAILED | -
            registry   | 4 SAWarning + 2 redefined | MC, FAILED | -
            referenced | 4 SAWarning + 2 redefined | MC, FAILED | -
            observer   | 4 SAWarning + 2 redefined | MC, FAILED | -
            source     | -
        """,
    ),
    "b10": Case(
        situation="registry.dispose() and metadata.clear(), then a reload.",
        guard="-",
        program=_BOTH
        + main("""
import importlib, app.models
app.models.Base.registry.dispose()
app.models.Base.metadata.clear()
importlib.reload(app.models)
"""),
        told="""
            plain      | ok | ok, ok | -
            registry   | ok | ok, ok | -
            referenced | ok | ok, ok | -
            observer   | ok | ok, ok | -
            source     | -
        """,
    ),
}

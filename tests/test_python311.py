"""The collector runs while a session lets go of its objects, in a process of its own: it may die of it."""

from __future__ import annotations

import subprocess
import sys

from app.config import ROOT

# A new object's attributes come after those of thirty loaded ones, and take the last place that Python 3.11
# has for names; so each state needs a dict when it is let go. The 200th of those dicts starts the collector.
LET_GO = """
import gc
from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column
from app.db import Base

class Thing(Base):
    __tablename__ = "thing"
    id: Mapped[int] = mapped_column(primary_key=True)

engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
session = Session(engine)
session.execute(insert(Thing), [{"id": number} for number in range(1, 1001)])
gc.collect()
gc.disable()
for thing in session.scalars(select(Thing)).all():
    thing.itself = thing
del thing
session.add(Thing())
session.flush()
spent = [{} for _ in range(100)]  # these are not taken from the collector's sight
gc.set_threshold(gc.get_count()[0] + 200)
gc.enable()
session.close()
gc.set_threshold(700)
seen = gc.get_objects()
states = {id(vars(thing)) for thing in seen if type(thing).__name__ == "InstanceState"}
dicts = {id(thing) for thing in seen if type(thing) is dict and {"load_path", "runid"} <= thing.keys()}
print("without an owner:", len(dicts - states) - 1)  # the class has such a dict, too
"""


def test_a_session_that_lets_go_of_many_objects_leaves_memory_as_it_should_be() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LET_GO], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout) == (0, "without an owner: 0\n"), done.stderr

"""Execute the QUEUED phases one by one; the server records their events."""

import os
import urllib.request

from app.models import Phase
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

server = urllib.request.build_opener(urllib.request.ProxyHandler({}))
with Session(create_engine(os.environ["DATABASE_URL"]), expire_on_commit=False) as queue:
    queued = queue.scalars(select(Phase).where(Phase.state == "QUEUED").order_by(Phase.id)).all()
    queue.commit()
    for phase in queued:
        server.open(f"{os.environ['AUTOPACK_API_URL']}/events/{phase.id}", data=b"").close()
        phase.state = "COMPLETE"
        queue.commit()
print(f"drained {len(queued)} phases")

"""Serve on the port that is given."""

import sys

import uvicorn
from app.server import app

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")

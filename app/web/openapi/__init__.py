"""This service described for machines: /openapi.json, and docs/api.md that is made of the same table and models."""

from __future__ import annotations

from flask import Blueprint, Flask, jsonify
from flask.typing import ResponseReturnValue

from app.web.openapi.document import describe

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/openapi.json")
def description() -> ResponseReturnValue:
    return jsonify(describe())


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)

"""`POST /api/translate`: a whole file in, its translation out."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()

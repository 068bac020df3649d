"""Backbone, fusion, temporal head, teacher, student and losses."""

from actlumos.models.actlumos import Pretrainer, Projector, Student, Teacher, TeacherOutput
from actlumos.models.r2plus1d import R2Plus1D, r2plus1d_34

__all__ = [
    "Pretrainer",
    "Projector",
    "R2Plus1D",
    "Student",
    "Teacher",
    "TeacherOutput",
    "r2plus1d_34",
]

"""Models as files that other servers read: ONNX, and xgboost's own JSON.

Belongs here: what of a model can be written in such a file so that it scores as ours does. Does not belong here: our own format
(`artifact.py`), and what a platform wants beside the file (`deployment/platforms`).
"""

from platform_assets.training.portable.errors import NotPortable
from platform_assets.training.portable.onnx_file import onnx_scores, write_onnx
from platform_assets.training.portable.xgboost_file import write_xgboost, xgboost_scores

__all__ = ["NotPortable", "onnx_scores", "write_onnx", "write_xgboost", "xgboost_scores"]

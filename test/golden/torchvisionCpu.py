"""Imports torchvision beside a PyTorch that was built without CUDA, which may not load torchvision's compiled operators: `from torchvisionCpu import torchvision`.
Classification calls none of these operators; only their names must exist before the import.
"""

import torch

# Kept: the names live as long as this object.
LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
for _name in ("nms", "qnms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d",
              "_roi_align_backward", "_roi_pool_backward", "_ps_roi_align_backward", "_ps_roi_pool_backward", "_deform_conv2d_backward"):
    LIBRARY.define(_name + "(Tensor x) -> Tensor")

import torchvision  # noqa: E402, F401

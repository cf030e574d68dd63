"""Large arrays that take memory only where they are written."""

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt


def sparse_zeros(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Zeros of this shape, whose pages come into being one by one as they are written.

    Not `np.zeros`: NumPy asks for huge pages, and then one write to each row of a wide array
    would take 2 MiB each.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    pages = mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        pages.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(pages, dtype=dtype, count=int(np.prod(shape))).reshape(shape)

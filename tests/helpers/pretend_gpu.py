"""A device that pretends to be a GPU: tensors say cuda:0, values are computed on the CPU.

Tensors are wrappers around CPU tensors; every operation on them passes `PretendGpu`, which

- raises where a real device would: operations across devices, NumPy on a device tensor, the host
  asking for a value while a CUDA graph is captured;
- records what a real device would wait for (`waits`): values that the host reads, shapes that
  depend on values, copies that are not from pinned memory;
- records sums whose order a real device does not fix (`unordered`): two addends that are not zero,
  at the same place, added by atomics;
- counts the operations that would launch a kernel (`launches`);
- records and replays CUDA graphs. What a capture computes is overwritten with NaN, because a real
  capture computes nothing.

It cannot show errors of real kernels, their rounding, their speed or their memory.
"""

import collections
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)
NAME = "Pretend GPU"
READS_VALUES = {
    "aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::_unique2",
    "aten::unique_dim", "aten::unique_consecutive", "aten::is_nonzero", "aten::equal",
    "aten::repeat_interleave.Tensor", "aten::bincount",
}  # fmt: skip
ADDS_BY_INDEX = {"aten::index_add", "aten::index_add_"}
ADDS_BY_SCATTER = {"aten::scatter_add", "aten::scatter_add_"}
TAKES_HOST_LENGTHS = {"aten::_pack_padded_sequence"}
INDEXES = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}
ALLOCATES = {
    "aten::empty", "aten::empty_like", "aten::new_empty", "aten::empty_strided",
    "aten::new_empty_strided",
}  # fmt: skip
NO_KERNEL = ALLOCATES | {
    "aten::detach",
    "aten::alias",
    "aten::_reshape_alias",
    "aten::_unsafe_view",
}
BACKWARD = (torch.Tensor.backward, torch.autograd.backward, torch.autograd.grad)

_gpu: "PretendGpu | None" = None


def is_cuda(device: Any) -> bool:
    """Return whether a device argument names a CUDA device."""
    if isinstance(device, torch.device):
        return device.type == "cuda"
    return isinstance(device, str) and device.startswith("cuda")


def caller() -> str:
    """Return the innermost line of the package on the stack."""
    frame = sys._getframe(1)
    while frame is not None:
        if "/alpha_dimt/" in frame.f_code.co_filename:
            return f"{frame.f_code.co_filename.split('/alpha_dimt/')[-1]}:{frame.f_lineno}"
        frame = frame.f_back
    return "outside the package"


class PretendTensor(torch.Tensor):
    """A tensor of the device; `value` holds its numbers."""

    value: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, value: torch.Tensor) -> "PretendTensor":
        """Wrap a CPU tensor."""
        made = torch.Tensor._make_wrapper_subclass(
            cls, value.shape, strides=value.stride(), storage_offset=value.storage_offset(),
            dtype=value.dtype, device=value.device,
        )  # fmt: skip
        made.value = value
        return made

    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)
    is_sparse = property(lambda self: self.value.is_sparse)
    device = property(lambda self: CUDA)

    def numpy(self, *args: Any, **options: Any) -> Any:
        """Refuse, as PyTorch does."""
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def __array__(self, *args: Any) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        """Read the values."""
        _device().wait("tolist")
        return self.value.detach().tolist()

    def data_ptr(self) -> int:
        """Return the address of the values."""
        return self.value.data_ptr()

    def coalesce(self) -> "PretendTensor":
        """Sum the entries of each row; PyTorch does not ask wrappers for it."""
        return PretendTensor(_device().launch("coalesce", self.value.coalesce))

    def to_dense(self, **options: Any) -> "PretendTensor":
        """Write out all rows; PyTorch does not ask wrappers for it."""
        return PretendTensor(_device().launch("to_dense", self.value.to_dense))

    def __repr__(self, **options: Any) -> str:
        return f"PretendTensor({self.value!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch.inference_mode(False), torch.no_grad():  # wrappers have no inference views
            return _device().dispatch(func, args, kwargs or {})


def current() -> "PretendGpu | None":
    """Return the device that is open, if one is."""
    return _gpu


def _device() -> "PretendGpu":
    assert _gpu is not None, "a tensor of the pretend GPU outlived it"
    return _gpu


def _unwrap(x: Any) -> Any:
    return x.value if isinstance(x, PretendTensor) else x


class PretendGpu(TorchFunctionMode):
    """The device; while it is entered, PyTorch says that there is one CUDA device."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: collections.Counter[tuple[str, str]] = collections.Counter()
        self.unordered: collections.Counter[tuple[str, str]] = collections.Counter()
        self.launches: collections.Counter[str] = collections.Counter()
        self.captured = 0
        self.capturing: PretendGraph | None = None

    def clear(self) -> None:
        """Forget what was recorded."""
        for counter in (self.waits, self.unordered, self.launches):
            counter.clear()

    def wait(self, what: str) -> None:
        """Record that the host waits."""
        if self.capturing is not None:
            raise RuntimeError(f"operation not permitted when stream is capturing: {what}")
        self.waits[what, caller()] += 1

    def launch(self, name: str, compute: Callable[[], Any]) -> Any:
        """Compute something, count it as a kernel, and record it for the graph being captured."""
        self.launches[name] += 1
        out = compute()
        if self.capturing is not None:
            self.capturing.record(compute, out)
        return out

    # ------------------------------------------------------------------ beneath autograd

    def dispatch(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run one operation whose arguments hold tensors of the device."""
        name = func._schema.name
        if is_cuda(kwargs.get("device")):
            kwargs = {**kwargs, "device": "cpu"}
        self._check_devices(func, name, args, kwargs)
        overload = func._overloadname
        if name in READS_VALUES or f"{name}.{overload}" in READS_VALUES:
            self.wait(name)
        if self._unordered(name, args, kwargs):
            self.unordered[name, caller()] += 1
        plain_args, plain_kwargs = tree_map(_unwrap, (args, kwargs))
        function = OWN_KERNELS.get(name if overload != "dtype" else f"{name}.dtype", func)

        def compute() -> Any:
            return function(*plain_args, **plain_kwargs)

        if _is_view(func) or name in NO_KERNEL:
            out = compute()
            if name in ALLOCATES and self.capturing is not None:
                self.capturing.fresh.extend(tree_leaves(out))
        else:
            out = self.launch(name, compute)
        wrapped = self._wrap(func, args, kwargs, out)
        if name == "aten::_pack_padded_sequence":
            return wrapped[0], out[1]  # batch sizes stay on the host
        return wrapped

    def _check_devices(self, func: Any, name: str, args: Any, kwargs: Any) -> None:
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        for tensor in tensors:
            if isinstance(tensor, PretendTensor):
                continue
            if name in ("aten::copy_", "aten::copy"):
                if not isinstance(args[0], PretendTensor):
                    self.wait("copy from the device")
                elif not getattr(tensor, "pinned", False):
                    self.wait("copy to the device, not pinned")
                elif not (kwargs.get("non_blocking") or args[2:3] == (True,)):
                    self.wait("copy to the device, blocking")
            elif name in INDEXES and tensor.dtype in (torch.int64, torch.int32, torch.bool):
                self.wait("index on the host")
            elif tensor.dim() and name not in TAKES_HOST_LENGTHS:
                shapes = [(type(t).__name__, tuple(t.shape)) for t in tensors]
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at least two "
                    f"devices, cuda:0 and cpu! ({func}, {shapes}, at {caller()})"
                )
        if name in INDEXES:
            if any(x is not None and x.dtype == torch.bool for x in args[1]):
                self.wait("index by a mask")
            if len(args) > 2 and not isinstance(args[2], PretendTensor):
                self.wait("copy to the device, not pinned")  # even of a number

    def _unordered(self, name: str, args: Any, kwargs: Any) -> bool:
        """Return whether atomics add several numbers at one place."""
        if name == "aten::cumsum":
            return args[0].dtype.is_floating_point
        if name in ADDS_BY_INDEX:
            _, dim, index, source = (_unwrap(x) for x in args[:4])
            rows = source.transpose(0, dim).reshape(len(index), -1)
            return _repeats(index[(rows != 0).any(dim=1)])
        if name in ADDS_BY_SCATTER:
            dim, index, source = (_unwrap(x) for x in args[1:4])
            where = torch.stack(torch.meshgrid(*map(torch.arange, index.shape), indexing="ij"))
            where[dim] = index
            source = source[tuple(slice(size) for size in index.shape)]
            return _repeats(where[:, source != 0].t())
        accumulates = kwargs.get("accumulate") or (len(args) > 3 and args[3])
        return name in INDEXES and bool(accumulates)

    def _wrap(self, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        """Wrap results; arguments that are written to are returned as they were given."""
        returns, arguments = func._schema.returns, func._schema.arguments

        def given(index: int) -> Any:
            info = returns[index].alias_info if index < len(returns) else None
            if info is None or not info.is_write:
                return None
            for position, argument in enumerate(arguments):
                other = argument.alias_info
                if other is not None and other.is_write and other.before_set & info.before_set:
                    return kwargs[argument.name] if argument.name in kwargs else args[position]
            return None

        def one(x: Any, index: int) -> Any:
            if isinstance(x, torch.Tensor):
                return PretendTensor(x) if (found := given(index)) is None else found
            if isinstance(x, list | tuple):
                return type(x)(one(y, len(returns)) for y in x)
            return x

        if isinstance(out, tuple) and len(returns) > 1:
            return tuple(one(x, i) for i, x in enumerate(out))
        return one(out, 0)

    # ------------------------------------------------------------------ above autograd

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one function called from Python."""
        kwargs = dict(kwargs or {})
        if func in BACKWARD:
            return self._backward(func, *args, **kwargs)
        if func is torch.Tensor.to:
            return self._to(*args, **kwargs)
        if func is torch.Tensor.cpu:
            return self._to(args[0], "cpu")
        if func is torch.Tensor.pin_memory:
            return _pinned(args[0].clone())
        if kwargs.pop("pin_memory", False):
            return _pinned(func(*args, **kwargs))
        if is_cuda(kwargs.get("device")):
            has_device_argument = any(isinstance(x, PretendTensor) for x in tree_leaves(args))
            if has_device_argument:
                kwargs.pop("device")
                return func(*args, **kwargs)
            return self._make(func, args, kwargs | {"device": "cpu"})
        return func(*args, **kwargs)

    def _make(self, func: Any, args: Any, kwargs: Any) -> PretendTensor:
        """Make a tensor on the device from arguments of the host."""
        if kwargs.get("generator") is not None:
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
        if func in (torch.tensor, torch.as_tensor, torch.asarray):
            self.wait("copy to the device, not pinned")
        if func is torch.empty:
            return PretendTensor(func(*args, **kwargs))
        return PretendTensor(self.launch(func.__name__, lambda: func(*args, **kwargs)))

    def _backward(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a backward pass with the device entered: it makes tensors too."""
        with self:
            if func is torch.autograd.grad:
                names = ("outputs", "inputs", "grad_outputs")
                given = kwargs | dict(zip(names, args, strict=False))
                outputs, inputs, grads = (given.get(name) for name in names)
                outputs, inputs = (
                    (x,) if isinstance(x, torch.Tensor) else tuple(x) for x in (outputs, inputs)
                )
                unused = bool(given.get("allow_unused"))
            else:
                outputs, inputs, unused = (args[0],), (), True
                grads = kwargs.get("gradient")
            if grads is None or isinstance(grads, torch.Tensor):
                grads = (grads,) * len(outputs)
            grads = tuple(
                torch.ones_like(output) if grad is None else grad
                for output, grad in zip(outputs, grads, strict=True)
            )
            return torch.autograd.graph._engine_run_backward(
                outputs, grads, False, False, inputs,
                allow_unreachable=unused, accumulate_grad=func is not torch.autograd.grad,
            )  # fmt: skip

    def _to(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Move or convert a tensor; the arguments are those of `Tensor.to`."""
        device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
        for argument in args:
            if isinstance(argument, torch.dtype):
                dtype = argument
            elif isinstance(argument, torch.Tensor):
                device, dtype = argument.device, argument.dtype
            elif isinstance(argument, torch.device | str):
                device = argument
        from_device = isinstance(x, PretendTensor)
        to_device = from_device if device is None else is_cuda(device)
        if from_device == to_device:
            return x if dtype in (None, x.dtype) else torch.Tensor.to(x, dtype)
        if x.requires_grad and torch.is_grad_enabled():
            raise NotImplementedError("gradients across devices")
        if not to_device:
            self.wait("copy from the device")
            return x.detach().value.to(dtype or x.dtype, copy=True)
        if not getattr(x, "pinned", False):
            self.wait("copy to the device, not pinned")
        elif not kwargs.get("non_blocking"):
            self.wait("copy to the device, blocking")
        source = x.detach()
        return PretendTensor(
            self.launch("copy to the device", lambda: source.to(dtype or x.dtype, copy=True))
        )


def _pinned(tensor: torch.Tensor) -> torch.Tensor:
    if isinstance(tensor, PretendTensor):
        raise RuntimeError(
            "cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned"
        )
    tensor.pinned = True  # type: ignore[attr-defined]
    return tensor


def _repeats(places: torch.Tensor) -> bool:
    return len(torch.unique(places, dim=0)) < len(places)


_VIEWS: dict[Any, bool] = {}


def _is_view(func: Any) -> bool:
    if func not in _VIEWS:
        infos = [result.alias_info for result in func._schema.returns]
        _VIEWS[func] = any(info is not None and not info.is_write for info in infos)
    return _VIEWS[func]


# ---------------------------------------------------------- kernels that only CUDA devices have


def _fused_cell(inputs: Any, recurrent: Any, cell: Any, *biases: Any) -> Any:
    assert inputs.dim() == 2
    assert inputs.shape == recurrent.shape
    assert len(biases) in (0, 2)
    assert all(x.dtype == cell.dtype for x in (inputs, recurrent, *biases))
    i, f, g, o = (inputs + recurrent + sum(biases)).chunk(4, dim=1)
    gates = torch.cat((i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()), dim=1)
    i, f, g, o = gates.chunk(4, dim=1)
    new = f * cell + i * g
    return o * new.tanh(), new, gates


def _fused_cell_backward(
    grad_hidden: Any, grad_cell: Any, cell: Any, new: Any, gates: Any, has_bias: bool
) -> Any:
    assert not has_bias
    i, f, g, o = gates.chunk(4, dim=1)
    tanh = new.tanh()
    total = grad_hidden * o * (1 - tanh**2) + grad_cell
    parts = (
        total * g * i * (1 - i),
        total * cell * f * (1 - f),
        total * i * (1 - g**2),
        grad_hidden * tanh * o * (1 - o),
    )
    return torch.cat(parts, dim=1), total * f, None


def _wide(multiply: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def product(a: torch.Tensor, b: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        assert (a.dtype, b.dtype, dtype) == (torch.bfloat16, torch.bfloat16, torch.float32)
        return multiply(a.float(), b.float())

    return product


def _pad_packed(
    data: torch.Tensor, sizes: torch.Tensor, batch_first: bool, value: float, total_length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do what `torch._VF._pad_packed_sequence` does, whose result would be on the CPU."""
    rows = int(sizes[0])
    steps = [
        torch.nn.functional.pad(step, (0, 0, 0, rows - len(step)), value=value)
        for step in data.split(sizes.tolist())
    ]
    steps += [torch.full_like(steps[0], value)] * (total_length - len(steps))
    lengths = (torch.arange(rows) < sizes[:, None]).sum(dim=0)
    return torch.stack(steps, dim=1 if batch_first else 0), lengths


OWN_KERNELS: dict[str, Callable[..., Any]] = {
    "aten::_thnn_fused_lstm_cell": _fused_cell,
    "aten::_thnn_fused_lstm_cell_backward_impl": _fused_cell_backward,
    "aten::mm.dtype": _wide(torch.mm),
    "aten::bmm.dtype": _wide(torch.bmm),
}


# ---------------------------------------------------------------------------- CUDA graphs


class PretendGraph:
    """A CUDA graph: the operations of a capture, which `replay` repeats in the same memory."""

    def __init__(self) -> None:
        self.steps: list[tuple[Callable[[], Any], Any]] = []
        self.fresh: list[torch.Tensor] = []

    def record(self, compute: Callable[[], Any], out: Any) -> None:
        """Record an operation and its results."""
        self.steps.append((compute, out))
        self.fresh.extend(x for x in tree_leaves(out) if isinstance(x, torch.Tensor))

    def replay(self) -> None:
        """Repeat all operations; one launch."""
        _device().launches["graph"] += 1
        for compute, out in self.steps:
            new = compute()
            for kept, value in zip(tree_leaves(out), tree_leaves(new), strict=True):
                if isinstance(kept, torch.Tensor) and kept.data_ptr() != value.data_ptr():
                    kept.copy_(value)


@contextlib.contextmanager
def _capture(graph: PretendGraph, pool: Any = None, **options: Any) -> Iterator[None]:
    gpu = _device()
    assert gpu.capturing is None
    gpu.capturing = graph
    try:
        yield
    finally:
        gpu.capturing = None
    gpu.captured += 1
    for tensor in graph.fresh:
        if tensor.is_floating_point():
            tensor.fill_(torch.nan)


@contextlib.contextmanager
def pretend_gpu(*, bf16: bool = True) -> Iterator[PretendGpu]:
    """While it is open, PyTorch has one CUDA device.

    Args:
        bf16: whether the device multiplies in bf16.
    """
    global _gpu
    gpu = PretendGpu()

    def synchronise(device: Any = None) -> None:
        gpu.wait("synchronize")

    patches = {
        (torch.cuda, "is_available"): lambda: True,
        (torch.cuda, "is_initialized"): lambda: True,
        (torch.cuda, "device_count"): lambda: 1,
        (torch.cuda, "get_device_name"): lambda device=None: NAME,
        (torch.cuda, "max_memory_allocated"): lambda device=None: 0,
        (torch.cuda, "is_bf16_supported"): lambda including_emulation=True: bf16,
        (torch.cuda, "manual_seed_all"): lambda seed: None,
        (torch.cuda, "synchronize"): synchronise,
        (torch.cuda, "Stream"): lambda device=None: None,
        (torch.cuda, "stream"): lambda stream: contextlib.nullcontext(),
        (torch.cuda, "CUDAGraph"): PretendGraph,
        (torch.cuda, "graph"): _capture,
        (torch.cuda, "graph_pool_handle"): lambda: (0, 1),
        (torch.backends.cudnn, "is_acceptable"): lambda tensor: False,
        (torch._VF, "_pad_packed_sequence"): _pad_packed,
        (torch.cuda.amp.common, "amp_definitely_not_available"): lambda: False,
    }
    before = {(owner, name): getattr(owner, name) for owner, name in patches}
    for (owner, name), value in patches.items():
        setattr(owner, name, value)
    # Parameters are replaced when a module moves: their data cannot change device in place.
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    _gpu = gpu
    try:
        with gpu:
            yield gpu
    finally:
        _gpu = None
        torch.__future__.set_overwrite_module_params_on_conversion(False)
        for (owner, name), value in before.items():
            setattr(owner, name, value)


NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
DEVICES = ("pretend", pytest.param("real", marks=(pytest.mark.gpu, NO_GPU)))
"""For tests that also run on a real GPU: `pytest -m gpu`."""


def device(kind: str) -> contextlib.AbstractContextManager[Any]:
    """Return a context with a CUDA device, one of `DEVICES`."""
    return pretend_gpu() if kind == "pretend" else contextlib.nullcontext()

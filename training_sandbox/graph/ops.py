"""The operations a model may use: an allow-list of functional ATen overloads with their signatures.

None of them draws random numbers (dropout is the trainer's, see ``run``), writes in place, or has an output whose
shape depends on data. Arguments that
only the trusted side may choose (device, layout, memory format) do not appear. Standard library only: the
partner's client carries this file unchanged, and a test compares every line with the torch at hand.

Source: ``aten/src/ATen/native/native_functions.yaml`` of PyTorch 2.13 (names and argument order).
"""

from dataclasses import dataclass

_SIGNATURES = """
linear.default(input: tensor, weight: tensor, bias: tensor? =)
mm.default(self: tensor, mat2: tensor)
addmm.default(self: tensor, mat1: tensor, mat2: tensor, *, beta: scalar =, alpha: scalar =)
bmm.default(self: tensor, mat2: tensor)
matmul.default(self: tensor, other: tensor)
baddbmm.default(self: tensor, batch1: tensor, batch2: tensor, *, beta: scalar =, alpha: scalar =)

relu.default(self: tensor)
relu6.default(self: tensor)
gelu.default(self: tensor, *, approximate: str =)
sigmoid.default(self: tensor)
tanh.default(self: tensor)
silu.default(self: tensor)
hardswish.default(self: tensor)
mish.default(self: tensor)
leaky_relu.default(self: tensor, negative_slope: scalar =)
hardtanh.default(self: tensor, min_val: scalar =, max_val: scalar =)
elu.default(self: tensor, alpha: scalar =, scale: scalar =, input_scale: scalar =)
softplus.default(self: tensor, beta: scalar =, threshold: scalar =)
prelu.default(self: tensor, weight: tensor)
selu.default(self: tensor)
celu.default(self: tensor, alpha: scalar =)
hardsigmoid.default(self: tensor)
log_sigmoid.default(self: tensor)
glu.default(self: tensor, dim: int =)
softmax.int(self: tensor, dim: int, dtype: dtype? =)
log_softmax.int(self: tensor, dim: int, dtype: dtype? =)

conv1d.default(input: tensor, weight: tensor, bias: tensor? =, stride: ints =, padding: ints =, dilation: ints =, groups: int =)
conv1d.padding(input: tensor, weight: tensor, bias: tensor? =, stride: ints =, padding: str =, dilation: ints =, groups: int =)
conv2d.default(input: tensor, weight: tensor, bias: tensor? =, stride: ints =, padding: ints =, dilation: ints =, groups: int =)
conv2d.padding(input: tensor, weight: tensor, bias: tensor? =, stride: ints =, padding: str =, dilation: ints =, groups: int =)
conv_transpose1d.default(input: tensor, weight: tensor, bias: tensor? =, stride: ints =, padding: ints =, output_padding: ints =, groups: int =, dilation: ints =)
conv_transpose2d.input(input: tensor, weight: tensor, bias: tensor? =, stride: ints =, padding: ints =, output_padding: ints =, groups: int =, dilation: ints =)
upsample_nearest1d.vec(input: tensor, output_size: ints?, scale_factors: floats?)
upsample_nearest2d.vec(input: tensor, output_size: ints?, scale_factors: floats?)
upsample_linear1d.vec(input: tensor, output_size: ints?, align_corners: bool, scale_factors: floats?)
upsample_bilinear2d.vec(input: tensor, output_size: ints?, align_corners: bool, scale_factors: floats?)
pixel_shuffle.default(self: tensor, upscale_factor: int)
max_pool1d.default(self: tensor, kernel_size: ints, stride: ints =, padding: ints =, dilation: ints =, ceil_mode: bool =)
max_pool2d.default(self: tensor, kernel_size: ints, stride: ints =, padding: ints =, dilation: ints =, ceil_mode: bool =)
avg_pool1d.default(self: tensor, kernel_size: ints, stride: ints =, padding: ints =, ceil_mode: bool =, count_include_pad: bool =)
avg_pool2d.default(self: tensor, kernel_size: ints, stride: ints =, padding: ints =, ceil_mode: bool =, count_include_pad: bool =, divisor_override: int? =)
adaptive_avg_pool1d.default(self: tensor, output_size: ints)
adaptive_avg_pool2d.default(self: tensor, output_size: ints)
constant_pad_nd.default(self: tensor, pad: ints, value: scalar =)
reflection_pad1d.default(self: tensor, padding: ints)
reflection_pad2d.default(self: tensor, padding: ints)

group_norm.default(input: tensor, num_groups: int, weight: tensor? =, bias: tensor? =, eps: float =, cudnn_enabled: bool =)
layer_norm.default(input: tensor, normalized_shape: ints, weight: tensor? =, bias: tensor? =, eps: float =, cudnn_enable: bool =)
rms_norm.default(input: tensor, normalized_shape: ints, weight: tensor? =, eps: float? =)
embedding.default(weight: tensor, indices: tensor, padding_idx: int =, scale_grad_by_freq: bool =, sparse: bool =)
gru.input(input: tensor, hx: tensor, params: tensors, has_biases: bool, num_layers: int, dropout: float, train: bool, bidirectional: bool, batch_first: bool) -> 2
lstm.input(input: tensor, hx: tensors, params: tensors, has_biases: bool, num_layers: int, dropout: float, train: bool, bidirectional: bool, batch_first: bool) -> 3
gather.default(self: tensor, dim: int, index: tensor, *, sparse_grad: bool =)
index_select.default(self: tensor, dim: int, index: tensor)
scaled_dot_product_attention.default(query: tensor, key: tensor, value: tensor, attn_mask: tensor? =, dropout_p: float =, is_causal: bool =, *, scale: float? =, enable_gqa: bool =)

flatten.using_ints(self: tensor, start_dim: int =, end_dim: int =)
view.default(self: tensor, size: ints)
reshape.default(self: tensor, shape: ints)
permute.default(self: tensor, dims: ints)
transpose.int(self: tensor, dim0: int, dim1: int)
t.default(self: tensor)
squeeze.dim(self: tensor, dim: int)
squeeze.dims(self: tensor, dim: ints)
unsqueeze.default(self: tensor, dim: int)
select.int(self: tensor, dim: int, index: int)
slice.Tensor(self: tensor, dim: int =, start: int? =, end: int? =, step: int =)
chunk.default(self: tensor, chunks: int, dim: int =) -> tensors
split.Tensor(self: tensor, split_size: int, dim: int =) -> tensors
split_with_sizes.default(self: tensor, split_sizes: ints, dim: int =) -> tensors
unbind.int(self: tensor, dim: int =) -> tensors
cat.default(tensors: tensors, dim: int =)
stack.default(tensors: tensors, dim: int =)
expand.default(self: tensor, size: ints, *, implicit: bool =)
contiguous.default(self: tensor)
unflatten.int(self: tensor, dim: int, sizes: ints)
clone.default(self: tensor)
to.dtype(self: tensor, dtype: dtype)
squeeze.default(self: tensor)
movedim.int(self: tensor, source: int, destination: int)
repeat.default(self: tensor, repeats: ints)
flip.default(self: tensor, dims: ints)
roll.default(self: tensor, shifts: ints, dims: ints =)
_unsafe_view.default(self: tensor, size: ints)

add.Tensor(self: tensor, other: operand, *, alpha: scalar =)
sub.Tensor(self: tensor, other: operand, *, alpha: scalar =)
mul.Tensor(self: tensor, other: operand)
div.Tensor(self: tensor, other: operand)
add.Scalar(self: tensor, other: scalar, alpha: scalar =)
mul.Scalar(self: tensor, other: scalar)
rsub.Scalar(self: tensor, other: scalar, alpha: scalar =)
neg.default(self: tensor)
abs.default(self: tensor)
square.default(self: tensor)
sqrt.default(self: tensor)
rsqrt.default(self: tensor)
exp.default(self: tensor)
log.default(self: tensor)
pow.Tensor_Scalar(self: tensor, exponent: scalar)
pow.Tensor_Tensor(self: tensor, exponent: tensor)
reciprocal.default(self: tensor)
sin.default(self: tensor)
cos.default(self: tensor)
erf.default(self: tensor)
log1p.default(self: tensor)
expm1.default(self: tensor)
cumsum.default(self: tensor, dim: int, *, dtype: dtype? =)
clamp_min.default(self: tensor, min: scalar)
clamp_max.default(self: tensor, max: scalar)
clamp.default(self: tensor, min: scalar? =, max: scalar? =)
maximum.default(self: tensor, other: tensor)
minimum.default(self: tensor, other: tensor)
sum.default(self: tensor, *, dtype: dtype? =)
mean.default(self: tensor, *, dtype: dtype? =)
mean.dim(self: tensor, dim: ints?, keepdim: bool =, *, dtype: dtype? =)
sum.dim_IntList(self: tensor, dim: ints?, keepdim: bool =, *, dtype: dtype? =)
amax.default(self: tensor, dim: ints =, keepdim: bool =)
amin.default(self: tensor, dim: ints =, keepdim: bool =)
max.dim(self: tensor, dim: int, keepdim: bool =) -> 2
min.dim(self: tensor, dim: int, keepdim: bool =) -> 2
argmax.default(self: tensor, dim: int? =, keepdim: bool =)
var.correction(self: tensor, dim: ints? =, *, correction: scalar? =, keepdim: bool =)
std.correction(self: tensor, dim: ints? =, *, correction: scalar? =, keepdim: bool =)
logsumexp.default(self: tensor, dim: ints, keepdim: bool =)
linalg_vector_norm.default(self: tensor, ord: scalar =, dim: ints? =, keepdim: bool =, *, dtype: dtype? =)

zeros.default(size: ints, *, dtype: dtype? =)
ones.default(size: ints, *, dtype: dtype? =)
full.default(size: ints, fill_value: scalar, *, dtype: dtype? =)
arange.default(end: scalar, *, dtype: dtype? =)
arange.start(start: scalar, end: scalar, *, dtype: dtype? =)
arange.start_step(start: scalar, end: scalar, step: scalar =, *, dtype: dtype? =)
full_like.default(self: tensor, fill_value: scalar, *, dtype: dtype? =)
scalar_tensor.default(s: scalar, *, dtype: dtype? =)
zeros_like.default(self: tensor, *, dtype: dtype? =)
ones_like.default(self: tensor, *, dtype: dtype? =)
where.self(condition: tensor, self: tensor, other: tensor)
where.ScalarOther(condition: tensor, self: tensor, other: scalar)
masked_fill.Scalar(self: tensor, mask: tensor, value: scalar)
tril.default(self: tensor, diagonal: int =)
triu.default(self: tensor, diagonal: int =)
logical_not.default(self: tensor)
logical_and.default(self: tensor, other: tensor)
logical_or.default(self: tensor, other: tensor)
gt.Scalar(self: tensor, other: scalar)
ge.Scalar(self: tensor, other: scalar)
lt.Scalar(self: tensor, other: scalar)
le.Scalar(self: tensor, other: scalar)
eq.Scalar(self: tensor, other: scalar)
ne.Scalar(self: tensor, other: scalar)
gt.Tensor(self: tensor, other: tensor)
lt.Tensor(self: tensor, other: tensor)
eq.Tensor(self: tensor, other: tensor)

dropout.default(input: tensor, p: float, train: bool)
"""  # noqa: E501  one signature a line, as torch prints them

_REASONS = (
    ("MT-BUFFER", "use GroupNorm or LayerNorm: batch statistics mix patients", "batch_norm native_batch_norm"),
    ("MT-BUFFER", "use GroupNorm or LayerNorm instead of InstanceNorm", "instance_norm"),
    (
        "MT-RNG",
        "the trainer owns all randomness; take the random operation out of the model",
        (
            "rand randn randint randperm rand_like randn_like randint_like bernoulli multinomial normal uniform "
            "alpha_dropout feature_alpha_dropout native_dropout rrelu"
        ),
    ),
    (
        "MT-DYNSHAPE",
        "the result's shape depends on data; use torch.where or a mask instead of indexing by a condition",
        "index nonzero item _local_scalar_dense masked_select unique _unique2 repeat_interleave argwhere",
    ),
    ("MT-SIDECHANNEL", "an assertion on data tells one bit about a patient; remove it", "_assert_async _assert_scalar"),
    ("MT-RNG", "use nn.Dropout: dropping whole channels is not supported", "feature_dropout"),
    (
        "MT-OP",
        "use nn.GRU or nn.LSTM instead of nn.RNN",
        "rnn_tanh rnn_relu",
    ),
    ("MT-OP", "write it as matmul, permute and reshape", "einsum bilinear outer mv dot"),
    ("MT-OP", "use conv1d or conv2d: fold the third dimension into channels", "conv3d max_pool3d avg_pool3d"),
    (
        "MT-OP",
        "use cat, stack or where instead of writing into a part",
        "select_scatter slice_scatter",
    ),
)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an operation.

    Attributes:
        type: ``tensor``, ``tensors``, ``operand`` (tensor or number), ``int``, ``ints``, ``float``, ``scalar``,
            ``bool``, ``str``, ``dtype`` or ``floats`` (of which only null is allowed); a trailing ``?`` also allows
            null.
    """

    name: str
    type: str
    required: bool
    keyword_only: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """What an operation takes and gives.

    Attributes:
        gives_list: It gives a list of tensors, as many as its arguments say.
        results: How many tensors it gives otherwise.
    """

    arguments: tuple[Argument, ...]
    gives_list: bool
    results: int = 1


def _parse(line: str) -> tuple[str, Signature]:
    name, rest = line.split("(", 1)
    inside, gives = rest.rsplit(")", 1)
    arguments, keyword_only = [], False
    for part in inside.split(", "):
        if part == "*":
            keyword_only = True
            continue
        argument, kind = part.split(": ")
        arguments.append(Argument(argument, kind.removesuffix(" ="), not kind.endswith("="), keyword_only))
    what = gives.strip().removeprefix("-> ")
    return name, Signature(tuple(arguments), what == "tensors", int(what) if what.isdigit() else 1)


OPS: dict[str, Signature] = dict(_parse(line) for line in _SIGNATURES.splitlines() if line)


def refusal(op: str) -> tuple[str, str]:
    """Return (code, what to change) for an operation that is not on the list.

    >>> refusal("bernoulli.p")[0]
    'MT-RNG'
    """
    base = op.partition(".")[0]
    for code, hint, names in _REASONS:
        if base in names.split():
            return code, hint
    if base.endswith("_") and not base.startswith("_"):
        return "MT-MUTATION", f"it writes in place; use {base.rstrip('_')} without the underscore"
    return "MT-OP", "it is not on the list of allowed operations"

"""The three losses of the method, as pure functions of tensors.

- The teacher learns from cross-entropy plus the supervised contrastive loss over the features of
  its two streams (dark and Retinex).
- The student is pretrained without labels: two views of one clip are pulled together, and all
  other clips of the batch are pushed away (NT-Xent).
- The student then learns from cross-entropy plus distillation of the teacher's logits.

The paper's figures name these losses and say what counts as a positive. The formulas below are the
standard ones of the works cited at each function: our choice where the paper does not say.

Everything is computed in float32 at least, under autocast too: a similarity divided by 0.07 has
few correct digits in bfloat16. Nothing here handles several processes: to contrast across several
devices, gather features and labels (with their gradients) and pass the whole batch.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def classification(logits: Tensor, label: Tensor) -> dict[str, Tensor]:
    """Cross-entropy as `loss`, and the batch's Top-1 in percent as `top1`.

    Args:
        logits: [B, K].
        label: [B] integer class ids.
    """
    correct = (logits.argmax(dim=1) == label).float().mean()
    return {"loss": F.cross_entropy(logits.float(), label), "top1": 100 * correct}


def supervised_contrastive(features: Tensor, labels: Tensor, temperature: float = 0.07) -> Tensor:
    """Pull together all views of all clips of one class, push the other classes away.

    L_out of Khosla et al., "Supervised Contrastive Learning" (2020), eq. 2. With z the
    L2-normalised features of all B * V views, s_ij = z_i . z_j / t, A(i) all views but i, and P(i)
    those of A(i) that share i's label::

        L = mean_i  -1/|P(i)|  sum_{p in P(i)}  log  exp(s_ip) / sum_{a in A(i)} exp(s_ia)

    The mean runs over the anchors that have a positive; the others only serve as negatives.

    The public code (HobbitLong/SupContrast) multiplies by t / 0.07, 1.43 at t = 0.1 (a weight of
    0.1 there is 0.143 here), and its mean includes anchors without a positive, as zero. With two
    views per clip every anchor has one.

    Args:
        features: [B, V, D], V views (streams) of each of B clips; any length, normalised here.
        labels: [B] integer class ids. Leave unlabelled clips out: -1 would count as a class.
        temperature: t > 0.

    Returns:
        Scalar >= 0; zero, still connected to the graph, if no anchor has a positive.

    Raises:
        ValueError: on wrong shapes, types or temperature.
    """
    _check_contrast(features, labels, temperature)
    views = features.shape[1]
    with torch.autocast(features.device.type, enabled=False):
        z = F.normalize(_at_least_float32(features).flatten(0, 1), dim=1)
        labels = labels.repeat_interleave(views)
        itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
        positive = (labels[:, None] == labels[None, :]) & ~itself
        similarity = z @ z.T / temperature
        # A finite value instead of -inf: a single anchor then gets a zero gradient instead of NaN.
        others = similarity.masked_fill(itself, torch.finfo(z.dtype).min)
        log_prob = similarity - others.logsumexp(dim=1, keepdim=True)
        positives = positive.sum(dim=1)
        per_anchor = -log_prob.where(positive, 0).sum(dim=1) / positives.clamp(min=1)
        return per_anchor.sum() / (positives > 0).sum().clamp(min=1)


def nt_xent(first: Tensor, second: Tensor, temperature: float = 0.5) -> Tensor:
    """Find each clip's other view among all views of the batch.

    The normalised temperature-scaled cross-entropy of SimCLR (Chen et al., 2020), eq. 1, averaged
    over all 2 B anchors. With two views per class and every clip a class of its own, the supervised
    contrastive loss is exactly this one, so it is computed that way.

    Args:
        first, second: [B, D], row i of both from the same clip; any length, normalised inside.
        temperature: > 0.

    Returns:
        Scalar >= 0 (zero for a single clip: it has no negatives).

    Raises:
        ValueError: on wrong shapes, types or temperature.
    """
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(
            "nt_xent needs two [B, D] tensors of one shape, "
            f"got {list(first.shape)} and {list(second.shape)}"
        )
    own_class = torch.arange(len(first), device=first.device)
    return supervised_contrastive(torch.stack((first, second), dim=1), own_class, temperature)


def distillation(student: Tensor, teacher: Tensor, temperature: float = 4.0) -> Tensor:
    """Pull the student's softened class probabilities towards the teacher's.

    Hinton et al., "Distilling the Knowledge in a Neural Network" (2015), section 2, with
    p = softmax(logits / T)::

        L = T^2 / B  sum_b  KL(p_teacher,b || p_student,b)

    T^2 keeps the gradient's size about the same at any temperature. The cross-entropy with
    the true labels is added, with its own weight, by the caller.

    Args:
        student: [B, K] logits.
        teacher: [B, K] logits; no gradient flows into them.
        temperature: T > 0.

    Returns:
        Scalar >= 0, zero where both agree up to a constant per row.

    Raises:
        ValueError: on wrong shapes, types or temperature.
    """
    _check_temperature(temperature)
    if student.ndim != 2 or student.shape != teacher.shape or 0 in student.shape:
        raise ValueError(
            "distillation needs student and teacher logits of one shape [B, K], none empty, "
            f"got {list(student.shape)} and {list(teacher.shape)}"
        )
    if not (student.is_floating_point() and teacher.is_floating_point()):
        raise ValueError(f"logits must be floating, got {student.dtype} and {teacher.dtype}")
    with torch.autocast(student.device.type, enabled=False):
        log_p_student = F.log_softmax(_at_least_float32(student) / temperature, dim=1)
        log_p_teacher = F.log_softmax(_at_least_float32(teacher.detach()) / temperature, dim=1)
        divergence = F.kl_div(log_p_student, log_p_teacher, reduction="batchmean", log_target=True)
        return temperature**2 * divergence


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")


def _check_contrast(features: Tensor, labels: Tensor, temperature: float) -> None:
    _check_temperature(temperature)
    if features.ndim != 3 or 0 in features.shape or not features.is_floating_point():
        raise ValueError(
            "features must be a floating [B, V, D] tensor with no empty axis, "
            f"got {features.dtype} {list(features.shape)}"
        )
    if labels.shape != features.shape[:1]:
        raise ValueError(
            f"labels must be [B] = [{len(features)}], one per clip, got {list(labels.shape)}"
        )
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"labels must be integer class ids, got {labels.dtype}")
